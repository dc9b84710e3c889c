r"""What never gets into a line: secrets by their form or because they are known, and values of records.

    secrets     what follows password=, token:, Authorization: … ; user:password@ in addresses; AWS keys, JWTs, PEM
                keys, the platform's write keys and tokens, hashes; every text that `remember_secret` was given
    persons     e-mail addresses, telephone and card numbers, public IP addresses
    values      texts in quotes, JSON objects, what follows DETAIL: or value: databases and parsers quote what they
                refuse. Names stay: after a word such as column or table, the context's own; SQL without values

Belongs here: finding and masking. Does not: which secrets are known (`known_secrets`), what a line is made of (`ecs`).
It masks rather too much: who needs the value looks into the quarantine, which has rights of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from clickstream_platform.model.data_names import looks_like_data
from clickstream_platform.observe.logs.known_secrets import MASK, MAX_SECRET, mask_known

MAX_TEXT = 8_192  # characters of one text; a longer one is cut
_MARGIN = 512  # characters that are searched beyond, and cut then: none of them is half of a value that was masked

_BEFORE_SECRETS = (  # the words before one
    r"pass(?:word|wd|phrase)?|pwd|secret(?:[ _-]?(?:access)?[ _-]?key)?|token|api[ _-]?key|"
    r"access[ _-]?key(?:[ _-]?id)?|write[ _-]?key|private[ _-]?key|client[ _-]?secret|session[ _-]?token|credentials?|"
    r"cookie|set-cookie|"
    r"authorization|x-amz-security-token|x-amz-signature|signature|dsn"
)
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), MASK),
    (re.compile(r"(?i)\b(basic|bearer|apikey|aws4-hmac-sha256) +[\w.~+/=:-]{6,}"), rf"\1 {MASK}"),
    # The value may be in quotes, with anything in them. `token for`, `secret reference` have no sign between and stay.
    (
        re.compile(
            rf"(?i)((?:{_BEFORE_SECRETS})[\"']?\s*(?:=>|[=:])\s*)"
            r"(?!<masked>)(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s,;&)}\]\"']+)"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?<=://)[^\s/@:]*:\S*@"), f"{MASK}@"),
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"), MASK),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), MASK),
    (re.compile(r"\b(?:xox[abprs]-[\w-]{8,}|gh[opsur]_\w{20,}|sk_(?:live|test)_\w{10,}|cst_\w{8,})"), MASK),
    (re.compile(r"(?i)hooks\.slack\.com/[\w/]+"), f"hooks.slack.com/{MASK}"),
    # A write key or token has 32 letters and digits, a hash of one 64 hex digits, an AWS secret 40 of base64. Sums of
    # inputs, which are 40 hex digits, and ids with hyphens are no secrets; 32 hex digits are a trace.
    (re.compile(r"\b(?:[0-9a-fA-F]{64}|(?![0-9a-f]{32}\b)(?=\w*[A-Z0-9])(?=\w*[a-z])[A-Za-z0-9]{32})\b"), MASK),
    (
        re.compile(
            r"(?<![\w/+=-])(?=[^\s]{0,39}[A-Z])(?=[^\s]{0,39}[a-z])(?=[^\s]{0,39}\d)[A-Za-z0-9/+]{40}(?![\w/+=-])"
        ),
        MASK,
    ),
)

_PRIVATE_ADDRESS = r"(?:0\.0\.0\.0|127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.)"
_PERSONS = (
    # Possessive, and at the beginning of a word only: else a long word without @ would be searched from each letter.
    re.compile(r"(?<![\w.!#$&*+/?^`{|}~-])[\w.!#$&*+/?^`{|}~-]++(?:@|%40)[\w-]++(?:(?:\.|%2[eE])[\w-]++)+"),
    re.compile(
        rf"(?<![\w.])(?!{_PRIVATE_ADDRESS})(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){{3}}(?![\w.]*\w)"
    ),
    re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}(?![\w:])"),
    re.compile(
        r"(?<![\w:])[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){0,5}::(?:[0-9a-fA-F]{1,4}:){0,5}[0-9a-fA-F]{0,4}(?![\w:])"
    ),
    re.compile(r"(?<!\w)\+\d{1,3}[ .()/-]{0,2}\d(?:[ .()/-]{0,2}\d){6,12}(?!\w)"),
    re.compile(r"(?<![\w.-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])"),
    re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"),
)
_CARD = re.compile(r"(?<![\w.-])[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{2,4}(?![\w-])")

_NAMING = (
    r"(?:columns?|tables?|relation|schema|database|customer|event|sensor|schedule|job|asset|op|step|hour|setting|option|"
    r"module|function|constraint|destination|resource|logger|pool|stream|shard|code location|repository|type|location)"
)
# An apostrophe is inside a word; a quotation begins after no letter and ends before none. One that was cut off goes on
# to the end. Every opening quote finds an end, so the search stays linear whatever the text is.
_QUOTED = re.compile(
    rf"(?P<naming>\b{_NAMING}:? |(?P<running>\brunning ))?(?<![\w\\])[bru]?"
    r"(?:'(?P<single>(?:\\.|[^\\])*?)(?:'(?!\w)|\Z)|\"(?P<double>(?:\\.|[^\\])*?)(?:\"(?!\w)|\Z)|“(?P<curly>[^”]*)(?:”|\Z))",
    re.DOTALL,
)
_NAME = re.compile(r"[\w.:/%|=-]{1,128}")
# Values in SQL stand between single quotes, names between double ones.
_STATEMENT = re.compile(
    r"(?:SELECT|INSERT INTO|CREATE|ALTER TABLE|COPY|DELETE FROM|DROP|UPDATE|BEGIN|COMMIT|ROLLBACK|LOCK|ANALYZE|VACUUM|"
    r"TRUNCATE|SET|MERGE)\b[^']*"
)
# What operating system and TLS say; nothing of it comes from a record.
_OF_THE_SYSTEM = re.compile(
    r"\[SSL: [A-Z_]+\] [\w :.,()-]*|\[Errno -?\d+\] [A-Za-z ]*|(?:No such file or directory|Permission denied|"
    r"Connection (?:refused|reset by peer|aborted)|Name or service not known|(?:Read |connect )?timed out|"
    r"Broken pipe)\.?"
)
_VALUES = (
    # PostgreSQL's and Redshift's details, DuckDB's and pydantic's inputs: the value goes on to the line's end.
    re.compile(r"(?i)(\b(?:detail|input|input_value|original line|raw_field_value|failing row contains)\s*[:=(]\s*).+"),
    re.compile(r"(=)\([^()\n]*\)"),
    re.compile(r"(?i)(\bvalues?:? )(?!<masked>|['\"])(?=\S*\d)\S+"),
)
_JSON = re.compile(r"\{\s*[\"'][^\n]*\}|\[\s*[\"'{][^\n]*\]")

# An account's number in an ARN stands between colons.
_LONG_NUMBER = re.compile(r"(?<!::)(?<![\d-])\d{6,}")


def redact(text: str, names: Collection[str] = ()) -> str:
    """Return a text without secrets, personal data and quoted values; `names` may stay in quotes."""
    is_cut = len(text) > MAX_TEXT
    text = _without_secret_forms(mask_known(text[: MAX_TEXT + MAX_SECRET])[: MAX_TEXT + _MARGIN])
    for person in _PERSONS:
        text = person.sub(MASK, text)
    text = _CARD.sub(lambda found: MASK if _is_card(found[0]) else found[0], text)
    text = _JSON.sub(f"{{{MASK}}}", text)
    for pattern in _VALUES:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    text = _QUOTED.sub(lambda found: _quotation(found, names), text)
    return text[:-_MARGIN] if is_cut else text


def redact_secrets(text: str) -> str:
    """Return a text without secrets; everything else stays."""
    return _without_secret_forms(mask_known(text))


def _without_secret_forms(text: str) -> str:
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def mask_values(text: str, names: Collection[str] = ()) -> str:
    """Return a foreign text without what it may quote of a record: quotations, and numbers of six digits."""
    return _LONG_NUMBER.sub(MASK, redact(text, names))


def _quotation(found: re.Match[str], names: Collection[str]) -> str:
    inner = next((text for text in found.group("single", "double", "curly") if text is not None), "")
    # Only our own errors put a statement behind this word; a customer's text may well begin with UPDATE.
    form = _NAME if found["running"] is None else _STATEMENT
    is_name = found["naming"] is not None and form.fullmatch(inner) is not None
    if inner in ("", MASK) or inner in names or _OF_THE_SYSTEM.fullmatch(inner):
        return found[0]
    if is_name and not looks_like_data(inner):
        return found[0]
    return f"{found['naming'] or ''}'{MASK}'"


def _is_card(text: str) -> bool:
    """Whether the digits pass Luhn's check."""
    digits = [int(each) for each in text if each.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return len(digits) >= 14 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
