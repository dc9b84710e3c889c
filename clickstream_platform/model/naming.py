"""The one place where names sent by users become table and column names. The rules are those of docs/tables.md.

Belongs here: the form of a name. Does not: quoting (the warehouse dialects), what happens to two names that end as one
column (`transform`), and the platform's own column names, which are written out where they are defined.

How a name is read, in this order:

1. Joiners and selectors that only shape the letters beside them are removed; every other character that is no letter,
   mark or digit separates words. Leading underscores are kept (at most two), as in `_id` and `__typename`.
2. Letters and digits are normalised to Unicode NFKC, because Redshift and DuckDB compare identifiers byte by byte and
   fold only ASCII: without it `é` typed on two keyboards, or full- and half-width `ID`, would be two columns that no
   analyst can tell apart. Symbols are separated before, so `iPhone™` does not become `i_phone_tm`.
3. A word is letters and the digits after them (`v2`, `UTF8`), or digits and the letters of one case after them (`1st`,
   `24H`); letters break where the case changes: `firstName`, `XMLHttp` -> `xml_http`. Letters without case never break.
4. Words are lower-cased and joined with `_`.

Every result is stable: naming a result again gives the same name. Hashes are decimal for that reason, as hexadecimal
digits would be read as words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from hashlib import sha256
from typing import TypeVar

from clickstream_platform.model.reserved_words import (
    RESERVED_WORDS,
    SYSTEM_COLUMNS,
    SYSTEM_SCHEMA_PREFIX,
    SYSTEM_SCHEMAS,
)

MAX_IDENTIFIER_BYTES = 127  # Redshift, "Names and identifiers"
MAX_SLUG_BYTES = 100  # leaves room for prefixes in object keys (percent-encoded), partition keys and staging tables
MAX_LEADING_UNDERSCORES = 2
MAX_MARKS = 30
"""Marks on one letter: the limit of Unicode's Stream-Safe Text Format (UAX #15, section 13). What a longer run has more
is left out, for the time to normalise a run grows with the square of its length."""

# Tables of a customer's schema that the platform writes itself; an event of such a name gets a leading underscore.
PLATFORM_TABLES = frozenset(
    {"tracks", "identifies", "users", "pages", "screens", "groups", "accounts", "aliases"}
    | {"_loads", "_discards", "_unidentified"}
)
# The columns of an event table that don't come from properties; `context_…` belongs to them as a whole.
STANDARD_COLUMNS = frozenset(
    {"id", "anonymous_id", "user_id", "received_at", "sent_at", "original_timestamp", "timestamp", "uuid_ts"}
    | {"event", "event_text", "batch_hour"}
)
CONTEXT_PREFIX = "context_"

_HASH_DIGITS = 10
_CACHED_NAMES = 16_384
_CACHED_CHARACTERS = 512  # a longer name is computed each time, so that the caches stay below some tens of megabytes

# Default-ignorable characters inside words: soft hyphen, grapheme joiner, ZWNJ, ZWJ, Hangul fillers, Khmer inherent
# vowels, Mongolian and all other variation selectors.
_IGNORED = dict.fromkeys(
    {0xAD, 0x34F, 0x200C, 0x200D, 0x115F, 0x1160, 0x3164, 0xFFA0, 0x17B4, 0x17B5}
    | {*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
)

# A name's shape has one character per character of the name: U upper or title case, l any other letter, m mark,
# D digit, _ underscore, space for everything else.
_SHAPE_OF_CATEGORY = {
    **dict.fromkeys(("Lu", "Lt"), "U"),
    **dict.fromkeys(("Ll", "Lm", "Lo", "Nl"), "l"),
    **dict.fromkeys(("Mn", "Mc"), "m"),
    **dict.fromkeys(("Nd", "No"), "D"),
}
_UPPER, _LOWER, _DIGIT = r"(?:Um*+)", r"(?:l[lm]*+)", r"(?:Dm*+)"
_WORD = re.compile(
    rf"{_DIGIT}++(?:{_UPPER}?{_LOWER}|{_UPPER}+)?"  # 1st, 24H, 20Cent
    rf"|{_UPPER}+(?!l){_DIGIT}*+"  # XML (of XMLHttp), UTF8
    rf"|{_UPPER}?{_LOWER}{_DIGIT}*+"  # Http, name, v2
)
_SLUG = re.compile(r"(?:_|[lD]m*+)+")

_Result = TypeVar("_Result")


def _cached(function: Callable[[str], _Result]) -> Callable[[str], _Result]:
    """Cache a pure function of one name; names that are themselves large are never kept."""
    remember = lru_cache(maxsize=_CACHED_NAMES)(function)

    @wraps(function)
    def call(name: str) -> _Result:
        return remember(name) if len(name) <= _CACHED_CHARACTERS else function(name)

    return call


@lru_cache(maxsize=4096)
def _shape_of(character: str) -> str:
    return "_" if character == "_" else _SHAPE_OF_CATEGORY.get(unicodedata.category(character), " ")


def _shape(text: str) -> str:
    return "".join(map(_shape_of, text))


def _normalised(name: str) -> str:
    """Return the name with symbols as spaces, ignorable characters removed, and the rest in NFKC."""
    if name.isascii():
        return name
    kept = (" " if _shape_of(character) == " " else character for character in name.translate(_IGNORED))
    return _with_few_marks(unicodedata.normalize("NFKC", _with_few_marks("".join(kept))))


def _with_few_marks(text: str) -> str:
    """Return the text without what is more than MAX_MARKS in a run of marks; a beginning of a run stays in NFKC."""
    if len(text) <= MAX_MARKS:
        return text
    kept, run = [], 0
    for character in text:
        run = run + 1 if _is_mark(character) else 0
        if run <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _is_mark(character: str) -> bool:
    """Return whether normalising sorts the character among its neighbours, or is all of such (as U+0F73 is)."""
    return all(map(unicodedata.combining, unicodedata.normalize("NFKD", character)))


def _hash(name: str) -> str:
    digest = sha256(name.encode("utf-8", "surrogatepass")).digest()
    return f"{int.from_bytes(digest[:8]) % 10**_HASH_DIGITS:0{_HASH_DIGITS}d}"


def _cut(name: str, limit_bytes: int) -> str:
    """Return the longest beginning of at most `limit_bytes` bytes that ends with a whole character and no `_`."""
    return name.encode()[:limit_bytes].decode(errors="ignore").rstrip("_")


def _starts_with_digit(name: str) -> bool:
    return _shape_of(name[0]) == "D"


@_cached
def snake_case(name: str) -> str:
    """Return the words of a name in lower case, joined with `_`; empty when it has no letter and no digit.

    This is the casing only: neither reserved words nor the length are looked at. Any text is accepted, NUL and lone
    surrogates among it.
    """
    text = _normalised(name)
    words = [text[match.start() : match.end()].lower() for match in _WORD.finditer(_shape(text))]
    if not words:
        return ""
    underscores = min(len(text) - len(text.lstrip("_")), MAX_LEADING_UNDERSCORES)
    # Lower-casing can leave a letter and its mark apart that exist as one character only in lower case.
    return "_" * underscores + unicodedata.normalize("NFKC", "_".join(words))


def column_name(path: Sequence[str]) -> str:
    """Return the column of a value, at most 127 bytes: `("userInfo", "1stName")` is `user_info_1st_name`.

    A segment with no letter or digit becomes `column_<hash>`, so that it doesn't merge with its parent. The whole gets
    a leading `_` where it starts with a digit or is a reserved word. The platform's own columns don't pass through
    here: `timestamp` is itself a reserved word.
    """
    first, *others = [snake_case(segment) or f"column_{_hash(segment)}" for segment in path or ("",)]
    name = "_".join([first, *(segment.lstrip("_") for segment in others)])
    if _starts_with_digit(name) or name in RESERVED_WORDS or name in SYSTEM_COLUMNS:
        name = f"_{name}"
    return _cut(name, MAX_IDENTIFIER_BYTES)


def property_column(path: Sequence[str], standard: frozenset[str] = STANDARD_COLUMNS) -> str:
    """Return the column of a property or trait; one that would be a standard column becomes `_<name>`.

    `standard` holds the columns of the record's type that don't come from properties. Nested properties are treated
    alike: `("user", "id")` is `_user_id`, for the column `user_id` is taken whichever way a property arrives at it.
    """
    name = column_name(path)
    if name in standard or name.startswith(CONTEXT_PREFIX):
        return _cut(f"_{name}", MAX_IDENTIFIER_BYTES)
    return name


def _slug(name: str, noun: str, is_taken: Callable[[str], bool]) -> str:
    slug = snake_case(name) or f"{noun}_{_hash(name)}"
    if _starts_with_digit(slug) or slug in RESERVED_WORDS or is_taken(slug):
        slug = f"_{slug}"
    if len(slug.encode()) <= MAX_SLUG_BYTES:
        return slug
    return f"{_cut(slug, MAX_SLUG_BYTES - _HASH_DIGITS - 1)}_{_hash(slug)}"


@_cached
def event_slug(name: str) -> str:
    """Return the slug, and so the table, of a track event: at most 100 bytes, never a table of the platform.

    A longer name is cut and ends with a hash of the whole; a name with no letter or digit becomes `event_<hash>`.
    """
    return _slug(name, "event", PLATFORM_TABLES.__contains__)


@_cached
def customer_slug(name: str) -> str:
    """Return the slug, and so the schema, of a customer: at most 100 bytes, never a schema of the warehouse.

    Two names can give one slug (`Acme Inc`, `acme-inc`); whoever adds customers refuses the second.
    """
    return _slug(name, "customer", lambda slug: slug in SYSTEM_SCHEMAS or slug.startswith(SYSTEM_SCHEMA_PREFIX))


@_cached
def is_slug(text: str) -> bool:
    """Return whether the text is a slug: lower-case letters, digits and `_`, not only `_`, NFKC, 1 to 100 bytes."""
    if _SLUG.fullmatch(_shape(text)) is None or not text.strip("_"):
        return False
    return len(text.encode()) <= MAX_SLUG_BYTES and _normalised(text) == text and text.lower() == text
