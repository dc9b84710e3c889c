"""What a document may be, and that everything wrong with one is said at once, with its line."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.registry.exchange import DocumentError, check_document, from_yaml, nodes, read_plain, to_yaml
from clickstream_platform.registry.exchange.nodes import MAX_DEPTH, MAX_DOCUMENT_BYTES

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Half of a surrogate pair is no text that UTF-8 holds.
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


def _faults(text: str | bytes) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        from_yaml(text)
    assert "nothing was changed" in str(caught.value)
    return [str(fault) for fault in caught.value.faults]


@pytest.fixture(params=["libyaml", "python"])
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read with either parser; an installation may lack the fast one."""
    if request.param == "python":
        monkeypatch.setattr(nodes, "_LOADER", yaml.SafeLoader)
    else:
        assert yaml.__with_libyaml__


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("version: 1\nversion: 1", ["line 2: version: it is there already, in line 1"]),
        (
            "version: 1\ncustomers: {a: {}, a: {}}",
            ["line 2: customers.a: it is there already, in line 2"],
        ),
        (
            "version: 1\ncustomers: &all\n  a: {}\ndestinations: *all",
            [
                "line 2: anchors (&all) are not taken; write it out",
                "line 4: aliases (*all) are not taken; write it out",
            ],
        ),
        ("version: !!int '1'", ["line 1: tags (tag:yaml.org,2002:int) are not taken; leave it out"]),
        (
            "!!python/object:os.system {}",
            ["line 1: tags (tag:yaml.org,2002:python/object:os.system) are not taken; leave it out"],
        ),
        ("version: 1\n---\nversion: 1", ["line 2: a second document begins here; put everything into one"]),
        ("version: 1\n? [a]\n: b", ["line 2: a list or mapping cannot be a key"]),
        ("version: " + "9" * 5_000, ["line 1: a number of 5000 digits is too long; use at most 40"]),
        ("version: 1e999", ["line 1: the number is too large"]),
        (b"version: 1\ncustomers: {\xff: {}}", ["line 2: it is not UTF-8"]),
        ("", ["line 1: it is nothing, not a mapping"]),
        ("- 1", ["line 1: it is a list, not a mapping"]),
        ("customers: {}", ["line 1: the field version is missing"]),
    ],
)
def test_what_no_document_may_have(text: str | bytes, faults: list[str]) -> None:
    assert _faults(text) == faults


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\tversion: 1", "version: 1\n  customers: {}", "version: '1"])
def test_what_is_not_yaml_is_said_with_its_line(text: str) -> None:
    (fault,) = _faults(text)
    assert fault.startswith("line ")
    assert "it is not YAML: " in fault


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize("open_", ["[", "{a: ", "- "])
def test_depth_is_a_limit_and_not_the_end_of_the_process(open_: str) -> None:
    assert _faults(open_ * 10_000) == [f"line 1: it is nested deeper than {MAX_DEPTH} levels"]


def test_size_is_limited() -> None:
    (fault,) = _faults(b"#" * (MAX_DOCUMENT_BYTES + 1))
    assert fault == "it has 33,554,433 bytes, more than 32 MiB"


def test_a_control_character_is_refused_where_it_is() -> None:
    (fault,) = _faults("version: 1\ncustomers: {a\0: {}}")
    assert fault.startswith("line 2: it is not YAML: ") or fault.startswith("line 1: it is not YAML: ")


BROKEN = """\
version: 2
destinations:
  The Other: {kind: oracle}
  main:
    settings: {port: 5439, password: hunter2}
    schema: null
  other:
    settings: {password: hunter2}
customers:
  acme:
    display_name: 5
    isolated: no
    polcy: {}
    policy:
      column_limit: 1
      schema_mode: loose
      retention_days: 0
      dedup_window_hours: 1.5
    events:
      Order Completed: {}
      order:
        state: running
        freshness_deadline_minutes: -1
        first_seen_hour: 2026-11-22
        contract: 0
        contracts:
          - {version: 1, mode: reject}
          - {version: x, mode: evolve, schema: [], note: "a\\0b"}
    write_keys:
      "a b": {}
      k:
        hash: my-secret-key
        expires_at: 2026-11-22T09:30:00
        hint: 123456789012345678901
  none:
  text: text
"""


@pytest.mark.usefixtures("_parser")
def test_everything_that_is_wrong_is_said_at_once() -> None:
    number = "it is a whole number, not text; put it in quotes"
    event, key = "customers.acme.events.order", "customers.acme.write_keys"
    assert _faults(BROKEN) == [
        "line 1: version: documents of version 2 are unknown here. Write version 1",
        "line 3: destinations.The Other: it is not a slug. Use a slug, such as 'the_other'",
        "line 3: destinations.The Other.kind: 'oracle' is none of duckdb, redshift. Use one of them",
        f"line 5: destinations.main.settings.port: {number}",
        "line 8: destinations.other.settings: the setting 'password' holds a secret, by its look. "
        "Keep the secret elsewhere and name its place with the secret reference",
        f"line 11: customers.acme.display_name: {number}",
        "line 12: customers.acme.isolated: it is text, not true or false",
        "line 13: customers.acme.polcy: there is no such field; did you mean policy?",
        "line 15: customers.acme.policy.column_limit: it is outside its limits. Use 50 to 1600",
        "line 16: customers.acme.policy.schema_mode: 'loose' is none of evolve, freeze, reject. Use one of them",
        "line 17: customers.acme.policy.retention_days: it is outside its limits. Use 1 to 3660",
        "line 18: customers.acme.policy.dedup_window_hours: it is a number, not a whole number",
        "line 20: customers.acme.events.Order Completed: it is not a slug. Use a slug, such as 'order_completed'",
        f"line 22: {event}.state: 'running' is none of active, paused, removed, discovered. Use one of them",
        f"line 23: {event}.freshness_deadline_minutes: it is outside its limits. Use 1 to 44640",
        f"line 24: {event}.first_seen_hour: '2026-11-22' is no hour. Write it as 2026-11-22T09",
        f"line 25: {event}.contract: 0 is no version of a contract. They count from 1",
        f"line 27: {event}.contracts[0]: the field schema is missing",
        f"line 28: {event}.contracts[1].version: it is text, not a whole number",
        f"line 28: {event}.contracts[1].schema: it is a list, not a mapping",
        f"line 28: {event}.contracts[1].note: it has a NUL or half of a surrogate pair. Leave that character out",
        f"line 30: {key}.a b: it is no id of a write key. Take the id from an export",
        f"line 32: {key}.k.hash: it is no hash of a write key. Take the 64 hexadecimal digits from an export",
        f"line 33: {key}.k.expires_at: '2026-11-22T09:30:00' is no time with its zone. Write 2026-11-22T09:30:00Z",
        f"line 34: {key}.k.hint: {number}",
        "line 36: customers.text: it is text, not a mapping",
    ]


def test_no_secret_is_repeated() -> None:
    assert "hunter2" not in "".join(_faults(BROKEN))
    assert "my-secret-key" not in "".join(_faults(BROKEN))


def test_what_contradicts_itself() -> None:
    key = "{name: web, hint: abc, hash: " + "a" * 64 + "}"
    text = (
        "version: 1\ncustomers:\n"
        f"  a:\n    write_keys:\n      k: {key}\n"
        f"  b:\n    write_keys:\n      k: {key}\n      l: {key}\n"
        "    removed: true\n    events:\n      e: {state: active}\n"
        "      f:\n        contracts:\n"
        "          - {version: 1, mode: evolve, schema: {}}\n          - {version: 1, mode: freeze, schema: {}}\n"
    )
    assert _faults(text) == [
        "line 8: customers.b.write_keys.k: the key is there already, as customers.a.write_keys.k",
        "line 8: customers.b.write_keys.k: the key is there already, as customers.a.write_keys.k",
        "line 9: customers.b.write_keys.l: the key is there already, as customers.b.write_keys.k",
        "line 12: customers.b.events.e: the customer is removed, so the event cannot be active",
        "line 14: customers.b.events.f.contracts: a version is there twice",
    ]


@pytest.mark.parametrize("word", ["no", "on", "y", "12:30:00", "0x1F", "1_000", "2026-11-22", "=", ".inf", "0o14"])
def test_a_word_that_another_yaml_takes_for_something_else_is_text(word: str) -> None:
    text = f"version: 1\ncustomers: {{a: {{display_name: {word}}}}}"
    assert from_yaml(text)["customers"]["a"]["display_name"] == word


def test_names_are_text_whatever_they_look_like() -> None:
    document = from_yaml("version: 1\ncustomers: {null: , true: {events: {no: , off: {}}}}")
    assert document["customers"] == {"null": {}, "true": {"events": {"no": {}, "off": {}}}}


def test_json_is_read_as_well() -> None:
    document = {"version": 1, "customers": {"a": {"display_name": "注文 🛒\n\"'\\", "isolated": True}}}
    assert from_yaml(json.dumps(document, ensure_ascii=False)) == document
    assert from_yaml("\N{ZERO WIDTH NO-BREAK SPACE}" + json.dumps(document, ensure_ascii=False)) == document


def test_json_with_escapes_is_read_as_well() -> None:
    text = json.dumps({"version": 1, "customers": {"a": {"display_name": "注文 🛒"}}})
    assert "\\ud83d" in text
    assert from_yaml(text)["customers"]["a"]["display_name"] == "注文 🛒"
    assert _faults(text.replace('"a"', '"A"')) == ["customers.A: it is not a slug. Use a slug, such as 'a'"]
    twice = text.replace('{"a"', '{"a": {}, "a"')
    assert "line 1: customers.a: it is there already, in line 1" in _faults(twice.replace("\\ud83d\\uded2", ""))
    assert "it is not YAML" in _faults(twice)[0]
    assert "half of a surrogate pair" in _faults(text.replace("\\uded2", ""))[0]
    assert _faults(text.replace("1,", "NaN,"))[0] == "nan is nothing that a document holds"


def test_times_are_read_with_their_zone() -> None:
    key = {"expires_at": "2026-11-22T09:30:00+02:00"}
    document = check_document({"version": 1, "customers": {"a": {"write_keys": {"k": key}}}})
    assert document["customers"]["a"]["write_keys"]["k"]["expires_at"] == "2026-11-22T07:30:00+00:00"


@pytest.mark.parametrize(
    "value",
    [{1: {}}, {"version": float("nan")}, {"version": b"1"}, {"version": {1}}, {"version": "\ud800"}, {"\ud800": 1}],
)
def test_values_that_were_never_text_are_checked_too(value: Any) -> None:
    with pytest.raises(DocumentError):
        check_document(value)


def test_a_list_in_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(DocumentError, match="nested deeper"):
        check_document({"version": 1, "customers": endless})


@given(JSON)
def test_whatever_json_holds_survives_yaml(value: Any) -> None:
    text = to_yaml({"value": value})
    assert _exact(read_plain(text)) == _exact({"value": value})


@given(JSON)
def test_a_reader_of_yaml_1_1_reads_the_same(value: Any) -> None:
    assert _exact(yaml.safe_load(to_yaml({"value": value}))) == _exact({"value": value})


@given(st.text() | st.binary())
def test_no_text_is_too_odd_to_be_refused(text: str | bytes) -> None:
    with pytest.raises(DocumentError):
        from_yaml(text)


def _exact(value: Any) -> str:
    """Tell 1 from 1.0 and true."""
    return json.dumps(value, sort_keys=True)
