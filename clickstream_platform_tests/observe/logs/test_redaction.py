"""Planted secrets and personal values disappear; what operators need stays; no text takes long."""

from __future__ import annotations

import base64
import json
import time
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.observe.logs import known_secrets
from clickstream_platform.observe.logs.known_secrets import MASK, remember_secret, remember_secret_document
from clickstream_platform.observe.logs.redaction import (
    MAX_TEXT,
    mask_values,
    redact,
    redact_secrets,
)


@pytest.fixture(autouse=True)
def _secrets_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    for known in ("_lasting", "_passing"):
        monkeypatch.setattr(known_secrets, known, OrderedDict())
    monkeypatch.setattr(known_secrets, "_searched", ())


SECRETS = {
    "password=hunter2secret": "hunter2secret",
    "'password': 'hunter 2 secret'": "hunter",
    '{"client_secret":"x y z"}': "x y z",
    "PGPASSWORD: s3cr3t, host": "s3cr3t",
    "postgresql+psycopg://bob:s3cr/3t@db:5432/x": "s3cr",
    "Authorization: Basic QWxhZGRpbjpvcGVu": "QWxhZGRpbjpvcGVu",
    "bearer abcdef.ghijkl": "abcdef",
    "AWS key AKIAIOSFODNN7EXAMPLE": "AKIAIOSFODNN7EXAMPLE",
    "secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": "wJalrXUtnFEMI",
    "jwt eyJhbGciOi.eyJzdWIi.abc-def": "eyJzdWIi",
    "token cst_abcdEFGH1234abcdEFGH1234abcdEFGH": "abcdEFGH",
    "write key 3fK9abcdEFGH1234abcdEFGH1234abcd of acme": "3fK9",
    "/v1/track?writeKey=abcdefgh12345678&x=1": "abcdefgh",
    "hash " + "0123456789abcdef" * 4: "0123456789abcdef",
    "https://hooks.slack.com/services/T0/B0/xyzabc": "xyzabc",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----": "MIIE",
    "https://s3/x?X-Amz-Signature=0a1b2c&X-Amz-Security-Token=IQoJb3": "IQoJb3",
}
VALUES = {
    "mail jane.doe@example.com bounced": "jane.doe",
    "mail jane%40example.com bounced": "jane",
    "from 81.2.69.142": "81.2.69.142",
    "from 2001:db8:85a3:8d3:1319:8a2e:370:7348": "85a3",
    "from 2001:db8::ff00:42:8329": "8329",
    "call +44 20 7946 0958": "7946",
    "call 555-867-5309": "867",
    "card 4111 1111 1111 1111": "4111",
    "ssn 078-05-1120": "1120",
    "Conversion Error: Could not convert string 'jane doe' to INT32": "jane",
    "Could not convert string 'O'Brien said \"x\"' to INT32": "Brien",
    'invalid input syntax for type integer: "jane"': "jane",
    "DETAIL:  Key (email)=(jane) already exists.": "jane",
    "Failing row contains (1, jane, 3).": "jane",
    'Malformed JSON at byte 0 of input: unexpected character.  Input: "{"name": "Jane"}"': "Jane",
    "value was {'name': 'Jane', 'age': 3}": "Jane",
    'items ["jane", 3]': "jane",
    "Could not convert string 'jane doe, whose name was cut": "jane",
    "Type INT64 with value 99999999 can't be cast": "99999999",
    "1 validation error: input_value=jane, input_type=str": "jane",
    "invalid literal: b'jane\\xff'": "jane",
    "the line 'one\ntwo jane' is refused": "jane",
    "Could not convert string 'UPDATE Jane Doe and SET her free' to INT32": "Jane",
    "mail jane%40example%2Ecom bounced": "jane",
}
KEPT = [
    "acme 2026-11-22T09: staged 120 rows of 3 events, digest 0123456789abcdef0123456789abcdef01234567",
    "run 6ad6e1b6-7f69-4c2e-9d6e-2c7a8f9b0c1d, trace 4bf92f3577b34da6a3ce929d0e0e4736, 2026-11-22T09:00:01.123Z",
    "health on http://127.0.0.1:9465, database on 10.2.3.4:5439, shard at 4959033827149025660855969253836157109",
    "object raw/hour=2026-11-22T09/customer=acme/event=order/shardId-000-1-2.ndjson.gz",
    'column "email" of table "users" does not exist',
    "running 'INSERT INTO \"acme\".\"order\" SELECT' for acme/order: it doesn't fit; customers' rows wait",
    "secret reference env:REDSHIFT, token for the API: none, `clickstream registry tokens add NAME`",
    "SSLError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed (_ssl.c:1007)')",
    "OSError(2, 'No such file or directory'), [Errno 111] Connection refused",
    "429 Too Many Requests after 3.25 s, 1,234,567 bytes",
]


@pytest.mark.parametrize(("text", "planted"), SECRETS.items())
def test_secrets_disappear(text: str, planted: str) -> None:
    assert planted in text
    assert planted not in redact(text)
    assert planted not in redact_secrets(text)


@pytest.mark.parametrize(("text", "planted"), VALUES.items())
def test_values_of_records_disappear(text: str, planted: str) -> None:
    assert planted in text
    assert planted not in redact(text)


@pytest.mark.parametrize("text", KEPT)
def test_what_operators_need_stays(text: str) -> None:
    assert redact(text) == text


def test_a_foreign_error_keeps_arns_and_loses_long_numbers() -> None:
    role = "arn:aws:iam::123456789012:role/redshift-copy"
    assert mask_values(f"{role} may not read; row 31415926535") == f"{role} may not read; row <masked>"


def test_names_of_the_context_may_stand_in_quotes() -> None:
    assert redact("unknown customer 'acme' or 'jane'", {"acme"}) == "unknown customer 'acme' or '<masked>'"
    assert redact("what 'acme' does", {"acme"}) == "what 'acme' does"


def test_a_known_secret_disappears_wherever_it_is() -> None:
    remember_secret("plain words that are a secret")
    remember_secret_document('{"user": "loader", "password": "another known thing"}')
    assert redact("x plain words that are a secret y") == "x <masked> y"
    assert redact("loader has another known thing.") == "loader has <masked>."
    remember_secret("abc")  # too short to be one: it would be found in every second word
    assert redact("abc") == "abc"


@pytest.mark.parametrize(
    "form",
    [
        'p@ss/wörd, "x" 1',
        "p%40ss%2Fw%C3%B6rd%2C%20%22x%22%201",
        "p%40ss%2Fw%C3%B6rd%2C+%22x%22+1",
        json.dumps('p@ss/wörd, "x" 1')[1:-1],
        base64.b64encode('p@ss/wörd, "x" 1'.encode()).decode(),
        base64.urlsafe_b64encode('loader:p@ss/wörd, "x" 1'.encode()).decode(),
        base64.b64encode('a user:p@ss/wörd, "x" 1 and more'.encode()).decode(),
    ],
)
def test_a_known_secret_disappears_in_each_form_that_it_is_sent_in(form: str) -> None:
    remember_secret('p@ss/wörd, "x" 1')
    hidden = redact_secrets(f"GET /?q={form}&next HTTP/1.1")
    assert MASK in hidden
    assert form[len(form) // 2 - 4 : len(form) // 2 + 4] not in hidden


def test_a_secret_that_encodes_something_short_hides_no_other_word() -> None:
    remember_secret("%20%20")
    assert redact_secrets("a  b") == "a  b"


def test_a_password_of_an_address_is_known_as_it_is_and_as_it_is_written() -> None:
    remember_secret("other%2Fw%40rd")
    assert redact_secrets("login other/w@rd, or other%2Fw%40rd") == f"login {MASK}, or {MASK}"


def test_passwords_that_pass_push_out_none_that_last() -> None:
    remember_secret("the lasting secret")
    for number in range(2_000):
        remember_secret(f"passing password {number:04}", is_passing=True)
    assert redact_secrets("the lasting secret, passing password 1999") == f"{MASK}, {MASK}"


def test_many_known_secrets_take_no_long() -> None:
    for number in range(2_000):
        remember_secret(f"{number:04} known secret", is_passing=True)
    started = time.process_time()
    redact_secrets("a line of the usual length, about nothing much " * 3)
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize("planted", ["jane.doe@example.com", "4111 1111 1111 1111", "a secret that is known", "'jane'"])
def test_a_long_text_is_not_cut_within_a_value(planted: str) -> None:
    remember_secret("a secret that is known")
    begun = planted[: len(planted) // 2]
    for position in range(MAX_TEXT - len(planted) - 1, MAX_TEXT + 1):
        text = f"{'x ' * (position // 2)}{planted} {'y' * 20_000}"
        assert begun not in redact(text)
        assert len(redact(text)) <= MAX_TEXT + 100
    shrinking = f"'{'x' * (MAX_TEXT - 100)}' {'x ' * 300}"
    for position in range(20):
        assert begun not in redact(f"{shrinking}{'x' * position} {planted} {planted} " * 2)


@given(st.text(min_size=8, max_size=60))
def test_no_quoted_value_of_a_foreign_error_survives(value: str) -> None:
    for text in (f"Could not convert string {value!r} to INT32", str(KeyError(value)), f"cut short: {value!r}"[:-2]):
        assert value not in mask_values(text) or value in "Could not convert string to INT32<masked>"


@pytest.mark.parametrize(
    "piece",
    [
        "'",
        "\"a 'a",
        '{"',
        "a=(",
        "1-",
        "a@",
        "a",
        "1 ",
        "token=",
        "ab:",
        "eyJ",
        "https://a:",
        "(1)",
        "[ ",
        "+1 ",
        "A1a",
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * MAX_TEXT)[: 2 * MAX_TEXT]
    started = time.process_time()
    assert len(redact(text)) <= 4 * MAX_TEXT
    assert time.process_time() - started < 0.5
