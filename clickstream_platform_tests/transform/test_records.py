"""One record at a time: strict JSON with every digit, the envelope, flattening, collisions."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.naming import column_name
from clickstream_platform.model.records import DiscardReason, RejectReason
from clickstream_platform.transform.json_values import dump_text
from clickstream_platform.transform.parsing import parse_line
from clickstream_platform.transform.records import FlatRecord, Note, read_record


def flat(record: dict[str, Any], event: str = "e", max_depth: int = 8) -> FlatRecord:
    envelope = {"type": "track", "event": "E", "messageId": "m"}
    return read_record(orjson.dumps(envelope | record), event, max_depth=max_depth)[0]


def columns(record: dict[str, Any], **options: Any) -> dict[str, str]:
    """Return the columns beside those of the envelope."""
    found = flat(record, **options).columns
    return {name: text for name, text in found.items() if name not in ("id", "event_text")}


finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
NUMBERS = (
    "1e400",
    "-1e400",
    "12345678901234567890123",
    "0.12345678901234567890",
    "1.0",
    "9007199254740993",
    "-0",
    "1e5",
)


@settings(max_examples=150, deadline=None)
@given(json_values)
def test_parsing_and_writing_give_the_value_back(value: Any) -> None:
    line = orjson.dumps(value)
    assert json.loads(dump_text(parse_line(line))) == json.loads(line)


number_texts = st.from_regex(r"-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@settings(max_examples=300, deadline=None)
@given(st.lists(number_texts | st.sampled_from(NUMBERS), max_size=4))
def test_numbers_are_kept_as_they_are_written(numbers: list[str]) -> None:
    for text in (f"[{','.join(numbers)}]", f'{{"a":[{",".join(numbers)}]}}'):
        assert dump_text(parse_line(text.encode())) == text


@pytest.mark.parametrize("depth", [1, 127, 128, 253, 254, 255, 256, 450])
@pytest.mark.parametrize("leaf", ["1e400", '"x"', "12345678901234567890", "{}", "[]", '{"a":[],"b":{}}'])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"k":', "}"), ('[1,{"é":"\\"","k":', "},[]]")])
def test_deep_values_are_written_as_they_were(depth: int, leaf: str, start: str, end: str) -> None:
    text = start * depth + leaf + end * depth
    assert dump_text(parse_line(text.encode())) == text


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", RejectReason.NOT_JSON),
        (b"\xef\xbb\xbf{}", RejectReason.NOT_JSON),
        (b"[1,]", RejectReason.NOT_JSON),
        (b"[1e400,NaN]", RejectReason.NOT_JSON),
        (b"[1e400,-Infinity]", RejectReason.NOT_JSON),
        (b"[1e400,]", RejectReason.NOT_JSON),
        (b"[1e400] x", RejectReason.NOT_JSON),
        (b"['a']", RejectReason.NOT_JSON),
        (b'["\xc3"]', RejectReason.NOT_UTF8),
        (b'[1e400,"\xc3"]', RejectReason.NOT_UTF8),
        (b'["\\ud800"]', RejectReason.LONE_SURROGATE),
        (b'[1e400,"\\uDC00\\ud800"]', RejectReason.LONE_SURROGATE),
        (b'[1e400,[{"\\ud83d":1}]]', RejectReason.LONE_SURROGATE),
        (b"[" * 1100 + b"]" * 1100, RejectReason.NESTED_TOO_DEEPLY),
        (b"[1e400," + b"[" * 5000 + b"]" * 5001, RejectReason.NESTED_TOO_DEEPLY),
    ],
)
def test_what_is_no_strict_json(line: bytes, reason: RejectReason) -> None:
    with pytest.raises(RejectedRecordError) as error:
        parse_line(line)
    assert error.value.reason is reason


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert parse_line(b'["\\ud83d\\ude00"]') == ["😀"]
    assert dump_text(parse_line(b'[1e400,"\\ud83d\\ude00"]')) == '[1e400,"😀"]'


def test_flattening() -> None:
    properties: dict[str, Any] = {
        "a": {"b": {"c": 1}, "d": []},
        "e": None,
        "f": {},
        "g": {"h": {}},
        "i": {"j": None},
        "": 5,
        "k": "",
    }
    assert columns({"properties": properties}) == {
        "a_b_c": "1",
        "a_d": "[]",
        column_name([""]): "5",
        "k": '""',
    }


def test_sections_go_where_the_specification_puts_them() -> None:
    record = {
        "properties": {"p": 1},
        "traits": {"t": 2},
        "context": {"traits": {"c": 3}, "campaign": {"name": "n"}},
        "channel": "web",
        "rudderId": "r",
        "integrations": {"All": False},
    }
    assert columns(record) == {
        "p": "1",
        "traits_t": "2",
        "context_traits_c": "3",
        "context_campaign_name": '"n"',
        "channel": '"web"',
        "rudder_id": '"r"',
    }


@pytest.mark.parametrize(
    ("properties", "kept", "left_out"),
    [
        ({"a b": 1, "aB": 2}, {"a_b": "1"}, [("a_b", "2")]),
        ({"aB": 2, "a b": 1}, {"a_b": "2"}, [("a_b", "1")]),
        ({"a b": 1, "aB": 1, "a_b": None}, {"a_b": "1"}, []),
        ({"a": {"b": 1}, "a b": "x", "A": {"B": [1]}}, {"a_b": "1"}, [("a_b", '"x"'), ("a_b", "[1]")]),
    ],
)
def test_the_first_of_two_names_for_one_column_wins(
    properties: dict[str, Any], kept: dict[str, str], left_out: list[tuple[str, str]]
) -> None:
    found = flat({"properties": properties})
    assert {name: text for name, text in found.columns.items() if name not in ("id", "event_text")} == kept
    assert found.notes == [Note(column, text, DiscardReason.NAME_COLLISION) for column, text in left_out]


@pytest.mark.parametrize("value", ["text", 5, [1], True])
@pytest.mark.parametrize("section", ["properties", "context", "traits"])
def test_a_section_that_is_no_object_is_noted(section: str, value: Any) -> None:
    found = flat({section: value})
    assert found.notes == [Note(section, dump_text(value), DiscardReason.NOT_AN_OBJECT)]
    assert found.columns.keys() == {"id", "event_text"}


@pytest.mark.parametrize(
    ("identity", "text"), [(5, '"5"'), ("5", '"5"'), (2**63, '"9223372036854775808"'), ("é", '"é"')]
)
def test_a_number_as_message_id_is_text(identity: object, text: str) -> None:
    assert flat({"messageId": identity}).columns["id"] == text


def test_of_equal_keys_the_last_counts() -> None:
    line = b'{"type":"page","type":"track","event":"E","messageId":"a","messageId":"b","properties":{"x":1,"x":2}}'
    assert read_record(line, "e", max_depth=8)[0].columns == {"event_text": '"E"', "id": '"b"', "x": "2"}


@pytest.mark.parametrize("max_depth", [1, 2, 5])
def test_objects_below_the_depth_limit_are_values(max_depth: int) -> None:
    found = columns({"properties": {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}}, max_depth=max_depth)
    name = "_".join("abcdef"[:max_depth])
    assert list(found) == [name]
    depth = json.loads(found[name])
    for key in "abcdef"[max_depth:]:
        depth = depth[key]
    assert depth == 1


def test_a_page_has_its_own_name_wherever_in_the_record_it_is() -> None:
    line = b'{"properties":{"name":"prop","category":"c"},"type":"page","messageId":"m","name":"own","category":null}'
    found = read_record(line, "pages", max_depth=8)[0]
    assert (found.columns["name"], found.columns["category"]) == ('"own"', '"c"')
    assert found.notes == [Note("name", '"prop"', DiscardReason.NAME_COLLISION)]


def test_traits_of_an_alias_are_its_columns() -> None:
    line = b'{"type":"alias","messageId":"m","previousId":"p","traits":{"title":"t","previousId":"q"}}'
    found = read_record(line, "aliases", max_depth=8)[0]
    assert found.columns == {"id": '"m"', "previous_id": '"p"', "title": '"t"', "_previous_id": '"q"'}


@pytest.mark.parametrize(
    ("properties", "kept", "lost"),
    [
        ('{"a":1,"a":2}', {"a": "2"}, [("a", "1")]),
        ('{"a":1, "b" :2,"a" : "x","a":3}', {"a": "3", "b": "2"}, [("a", "1"), ("a", '"x"')]),
        ('{"a":1,"a":1}', {"a": "1"}, []),
        ('{"a":{"b":1},"a":{"c":[1.50]}}', {"a_c": "[1.50]"}, [("a", '{"b":1}')]),
        ('{"a":{"b":1,"b":2}}', {"a_b": "2"}, [("a_b", "1")]),
        ('{"l":[{"b":1,"b":2},{"b":1e5}]}', {"l": '[{"b":2},{"b":1e5}]'}, [("l", "1")]),
        ('{"a":{"x":1,"x":2},"a":{"x":2}}', {"a_x": "2"}, [("a", '{"x":1,"x":2}')]),
        ('{"a":[[[[7]]]],"a":1}', {"a": "1"}, [("a", "[[[[7]]]]")]),
        ('{"a":null,"a":2}', {"a": "2"}, []),  # as ingest writes for a messageId that is null
        ('{"a":1,"a":null}', {}, [("a", "1")]),
        ('{"a":"\\":1,","b":"a\\":"}', {"a": '"\\":1,"', "b": '"a\\":"'}, []),
        ('{"a":1e22,"a":1e22,"b":1e22}', {"a": "1e22", "b": "1e22"}, []),
        ('{"a":{"a":{"a":{"a":1,"a":2}}}}', {"a_a_a": '{"a":2}'}, [("a_a_a", "1")]),
    ],
)
def test_the_last_of_two_equal_keys_wins_and_the_others_are_counted(
    properties: str, kept: dict[str, str], lost: list[tuple[str, str]]
) -> None:
    line = f'{{"type":"track","event":"E","messageId":"m","properties":{properties}}}'.encode()
    found = read_record(line, "e", max_depth=3)[0]
    assert {name: text for name, text in found.columns.items() if name not in ("id", "event_text")} == kept
    assert found.notes == [Note(column, text, DiscardReason.DUPLICATE_KEY) for column, text in lost]


def test_a_section_that_occurs_twice_is_counted_whole() -> None:
    line = b'{"type":"track","event":"E","messageId":"m","properties":{"a":1},"properties":{"b":2},"type":"track"}'
    found = read_record(line, "e", max_depth=3)[0]
    assert found.notes == [Note("properties", '{"a":1}', DiscardReason.DUPLICATE_KEY)]
