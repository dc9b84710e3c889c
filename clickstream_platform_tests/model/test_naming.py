"""The rules of naming: words, escapes, limits, and the properties that every sent text must keep.

Belongs here: our own rules. Does not: agreement with Segment and RudderStack (`fixtures_segment/test_identifiers.py`).
"""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clickstream_platform.model.naming import (
    MAX_IDENTIFIER_BYTES,
    MAX_SLUG_BYTES,
    PLATFORM_TABLES,
    STANDARD_COLUMNS,
    column_name,
    customer_slug,
    event_slug,
    is_slug,
    property_column,
    snake_case,
)
from clickstream_platform.model.reserved_words import RESERVED_WORDS, SYSTEM_COLUMNS, SYSTEM_SCHEMAS
from clickstream_platform.model.streams import TABLE_OF_TYPE, UNIDENTIFIED, Stream

HASH = r"\d{10}"
# Whole Unicode with surrogates and NUL, and dense texts of what the rule looks at: case, digits, marks, separators.
ANY_TEXT = st.text(st.characters(exclude_categories=()))
DENSE_TEXT = st.text(st.sampled_from("aBcD12_ .-/|,\x00\u0301\u030c\u0345\u01c4\u0130\u03a3\u1e9e\uff21\u3164\ud800"))
PIECES = st.sampled_from(["order ", "\u6ce8\u6587", "A", "9", "__", "e\u0301"])
LONG_TEXT = st.builds("".join, st.lists(PIECES, min_size=40))
SENT = ANY_TEXT | DENSE_TEXT | LONG_TEXT | st.sampled_from(sorted(RESERVED_WORDS | PLATFORM_TABLES | SYSTEM_COLUMNS))
PATHS = st.lists(SENT, min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("Order Completed", "order_completed"),
        ("firstName", "first_name"),
        ("XMLHttp", "xml_http"),
        ("userID", "user_id"),
        ("omega v2", "omega_v2"),
        ("walk500Miles", "walk500_miles"),
        ("abc123def456", "abc123_def456"),
        ("Enabled 2FA", "enabled_2fa"),
        ("last_60days", "last_60days"),
        ("a__b", "a_b"),
        ("a.b", "a_b"),
        ("  $#$a   2  ", "a_2"),
        ("a\x00b\nc", "a_b_c"),
        ("_path", "_path"),
        ("____proto__", "__proto"),
        ("", ""),
        ("___", ""),
        ("\ud800!", ""),
        ("\N{PARTY POPPER}", ""),
    ],
)
def test_snake_case_of_ascii(sent: str, expected: str) -> None:
    """Words break at case changes, after digits, and at everything that is no letter or digit."""
    assert snake_case(sent) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("\u6ce8\u6587\u5b8c\u4e86", "\u6ce8\u6587\u5b8c\u4e86"),  # letters without case stay together
        ("\u6ce8\u6587ID", "\u6ce8\u6587_id"),
        ("CAF\u00c9Ouvert", "caf\u00e9_ouvert"),
        ("CAFE\u0301Ouvert", "caf\u00e9_ouvert"),  # a letter and its mark are one letter
        ("J\u030cA", "\u01f0a"),  # one character only in lower case
        ("\uff26\uff35\uff2c\uff2c width", "full_width"),  # full-width forms
        ("\u212aelvin", "kelvin"),
        ("\u0130", "i\u0307"),
        ("\u0915\u094d\u0937\u0947", "\u0915\u094d\u0937\u0947"),  # marks inside a word
        ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u062e\u0648"),  # ZWNJ only shapes
        ("\u845b\U000e0100\u57ce", "\u845b\u57ce"),  # a variation selector chooses a glyph
        ("iPhone\u2122 viewed", "i_phone_viewed"),  # NFKC alone would make it `tm`
        ("m\u00b2", "m2"),
        ("\u0301a", "a"),  # a mark without its letter separates
        ("1\ufe0f\u20e3 star", "1_star"),
    ],
)
def test_snake_case_of_other_scripts(sent: str, expected: str) -> None:
    """Letters, marks and digits of every script are kept, in NFKC and lower case."""
    assert snake_case(sent) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("userInfo", "1stName"), "user_info_1st_name"),
        (("1st", "a"), "_1st_a"),
        (("responses", "2xx"), "responses_2xx"),
        (("a.b", "c"), "a_b_c"),
        (("pull_request", "_links"), "pull_request_links"),
        (("_links", "self"), "_links_self"),
        (("select",), "_select"),
        (("a", "select"), "a_select"),
        (("current", "user"), "_current_user"),
        (("xmin",), "_xmin"),
        (("timestamp",), "_timestamp"),
        (("\u0661\u0662",), "_\u0661\u0662"),
    ],
)
def test_column_name(path: tuple[str, ...], expected: str) -> None:
    """Segments are cased one by one; the prefix is for the whole name."""
    assert column_name(path) == expected


def test_names_without_a_letter_stay_apart() -> None:
    """Emoji and punctuation get a stable name of their own, inside a path too."""
    sent = ["", " ", "!!!", "\N{PARTY POPPER}", "\ud800", "\ud801", "\x00"]
    assert len({column_name((name,)) for name in sent}) == len({event_slug(name) for name in sent}) == len(sent)
    parts = column_name(("reactions", "\N{PARTY POPPER}")).rpartition("_")
    assert (parts[0], len(parts[2])) == ("reactions_column", 10)
    assert column_name(()) == column_name(("",))


@pytest.mark.parametrize("name", sorted(STANDARD_COLUMNS | {"context_ip", "context"}))
def test_property_named_like_a_standard_column(name: str) -> None:
    """A standard column, or one of the context, is never the column of a property, however it is spelt or nested."""
    expected = name if name == "context" else f"_{name}"
    assert property_column((name,)) == property_column((name.upper(),)) == expected
    assert property_column(tuple(name.split("_"))) == expected


def test_standard_columns_depend_on_the_record_type() -> None:
    """The caller says which columns are standard."""
    assert property_column(("event",), frozenset({"id"})) == "event"
    assert property_column(("previousId",), frozenset({"previous_id"})) == "_previous_id"


@pytest.mark.parametrize("name", sorted(PLATFORM_TABLES))
def test_event_named_like_a_table_of_the_platform(name: str) -> None:
    """The platform's tables are out of reach of an event's name."""
    assert event_slug(name) == event_slug(name.upper()) == f"_{name}"


def test_platform_tables_are_complete() -> None:
    """Every table that a stream stands for is among the names an event can't have."""
    assert {*TABLE_OF_TYPE.values(), UNIDENTIFIED} <= PLATFORM_TABLES


@pytest.mark.parametrize("name", ["public", "PG Catalog", "pg_temp_1", "Information Schema", "main", "user"])
def test_customer_named_like_a_schema_of_the_warehouse(name: str) -> None:
    """A customer never owns a schema that the warehouse has already."""
    assert customer_slug(name) == f"_{snake_case(name)}"


def test_long_names_of_events_stay_apart() -> None:
    """Two long names that share their first 100 bytes are two slugs; spellings of one name are one."""
    long = "Order " * 40
    assert event_slug(long + "shipped") != event_slug(long + "paid")
    assert event_slug(long + "shipped") == event_slug(long.lower() + "SHIPPED!")
    assert event_slug("a" * 100) == "a" * 100
    assert event_slug("a" * 101).startswith("a" * 89 + "_")


def test_a_cut_column_ends_with_a_whole_character() -> None:
    """127 bytes hold 42 characters of three bytes; a letter is not split."""
    assert column_name(("\u6ce8" * 50,)) == "\u6ce8" * 42
    assert column_name(("ab " * 60,)) == ("ab_" * 42) + "a"
    assert column_name(("abc " * 31 + "ab  z",)) == "abc_" * 31 + "ab"


@pytest.mark.parametrize(
    "text",
    ["", "_", "A", "a b", "a|b", "a,b", "a/b", "a...b", "a\n", "\u0301a", "a_\u0301", "e\u0301", "\uff41", "a\u200b"],
)
def test_is_no_slug(text: str) -> None:
    """Separators, capitals, stray marks and other forms of a letter."""
    assert not is_slug(text)


@pytest.mark.parametrize("text", ["\ud800", "a\x00", "\N{PARTY POPPER}", "a" * 101, "\u6ce8" * 34])
def test_is_no_slug_for_symbols_and_long_text(text: str) -> None:
    """Surrogates, NUL, symbols, and more than 100 bytes."""
    assert not is_slug(text)


@pytest.mark.parametrize("text", ["a", "_loads", "order_completed", "1", "\u6ce8" * 33, "a" * 100, "caf\u00e9"])
def test_is_slug(text: str) -> None:
    """Lower-case letters of any script, digits and `_`."""
    assert is_slug(text)
    assert Stream("c", text).event == text


@given(SENT)
@example("\u0130")
@example("A\u0345")
@example("_" * 300 + "a")
@example("x" * 126 + "_y")
def test_slugs_are_slugs_and_stable(sent: str) -> None:
    """Any text gives a slug; the slug of a slug is itself; no reserved word, no taken name."""
    event, customer = event_slug(sent), customer_slug(sent)
    assert is_slug(event)
    assert is_slug(customer)
    assert event_slug(event) == event
    assert customer_slug(customer) == customer
    assert event not in RESERVED_WORDS | PLATFORM_TABLES
    assert customer not in RESERVED_WORDS | SYSTEM_SCHEMAS
    assert not customer.startswith("pg_")
    assert not unicodedata.category(event[0]).startswith("N")
    assert max(len(event.encode()), len(customer.encode())) <= MAX_SLUG_BYTES
    assert not set(event + customer) & set("|,./ \t\n\"'\\%\x00")


@given(PATHS)
@example(["id"])
@example(["context", "x" * 200])
def test_columns_are_stable_and_within_limits(path: list[str]) -> None:
    """Any path gives a column of 1 to 127 bytes, no reserved word and none of the standard columns."""
    column, of_property = column_name(path), property_column(path)
    assert column_name([column]) == column
    assert property_column([of_property]) == of_property
    assert column not in RESERVED_WORDS | SYSTEM_COLUMNS
    assert of_property not in RESERVED_WORDS | SYSTEM_COLUMNS | STANDARD_COLUMNS
    assert not of_property.startswith("context_")
    for name in (column, of_property):
        assert 0 < len(name.encode()) <= MAX_IDENTIFIER_BYTES
        assert name == unicodedata.normalize("NFKC", name.lower())
        assert any(character.isalnum() for character in name)


@given(SENT)
def test_the_spelling_of_a_letter_does_not_matter(sent: str) -> None:
    """Composed and decomposed text give the same name."""
    assert snake_case(unicodedata.normalize("NFC", sent)) == snake_case(unicodedata.normalize("NFD", sent))


def test_every_letter_with_case_and_every_digit_is_stable() -> None:
    """No single character of these categories, in front of or behind another letter, changes on the second pass."""
    every = map(chr, range(sys.maxunicode + 1))
    some = [character for character in every if unicodedata.category(character) in {"Lu", "Lt", "No", "Nl"}]
    names = [snake_case(text) for character in some for text in (character, f"a{character}", f"{character}b")]
    assert [name for name in names if snake_case(name) != name or (name and not is_slug(name))] == []


MARKS = st.text(st.sampled_from("\u0301\u0316\u0344\u0f73\u0f75\u0327\u0e38\u0330\u05b0\u3099"), max_size=120)


@given(st.text(st.sampled_from("aAé_か1 "), max_size=3), MARKS, st.text(st.sampled_from("bB_2 "), max_size=3), MARKS)
def test_many_marks_give_a_stable_name(first: str, marks: str, second: str, more: str) -> None:
    name = snake_case(first + marks + second + more)
    assert snake_case(name) == name
    assert unicodedata.normalize("NFKC", name) == name


def test_names_differ_by_the_marks_that_scripts_use_and_not_by_thousands() -> None:
    assert snake_case("a" + "\u0316" * 29) != snake_case("a" + "\u0316" * 30)
    assert snake_case("a" + "\u0316" * 30) == snake_case("a" + "\u0316" * 31) == snake_case("a" + "\u0316" * 3_000_000)
