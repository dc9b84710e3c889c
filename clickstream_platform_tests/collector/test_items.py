"""Items one by one: what is read leniently, what is added, what stays as it was sent."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.collector.completing import Arrival
from clickstream_platform.collector.judging import judge_items
from clickstream_platform.collector.reading import read_batch, read_single
from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.damage_marker import DamageMarker
from clickstream_platform.model.kinesis_records import MAX_DATA_BYTES, encode_event
from clickstream_platform.model.mended_values import read_mended
from clickstream_platform.model.records import RejectReason
from clickstream_platform_tests.collector.running import NOW

RECEIVED = "2026-11-22T09:02:03.931Z"
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just(10**400),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(st.characters()), children, max_size=3),
    max_leaves=8,
)


def batch(body: bytes, **options: Any) -> tuple[list[dict[str, Any]], list[RejectReason]]:
    """Return the raw lines of a batch's good events, and the reasons of the others."""
    read = read_batch(body)
    judged = judge_items(read.items, Arrival("acme", NOW, fields=read.fields, **options))
    for event in judged.events:
        assert b"\n" not in event.line
        assert len(encode_event(event)) < MAX_DATA_BYTES
    return [strictly(e.line) for e in judged.events if e.event != "_unidentified"], judged.rejected


def single(body: bytes, kind: str = "track", client_ip: str | None = None) -> dict[str, Any]:
    """Return the raw line of a single event."""
    judged = judge_items(read_single(body).items, Arrival("acme", NOW, client_ip, kind))
    assert judged.rejected == []
    return strictly(judged.events[0].line)


def strictly(line: bytes) -> dict[str, Any]:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    value = json.loads(line, parse_constant=refuse)
    assert isinstance(value, dict)
    return value


@given(st.lists(JSON_VALUES, max_size=4), st.booleans())
def test_odd_values_never_cost_an_event(values: list[Any], is_ascii: bool) -> None:
    """Whatever Python's own JSON writes as a property, half of a surrogate pair and NaN among it."""
    items = [{"type": "track", "event": "E", "messageId": str(n), "properties": {"p": v}} for n, v in enumerate(values)]
    text = json.dumps({"batch": items, "sentAt": RECEIVED}, ensure_ascii=is_ascii)
    lines, rejected = batch(text.encode("utf-8", "surrogatepass" if is_ascii else "replace"))
    assert rejected == []
    assert [line["messageId"] for line in lines] == [str(n) for n in range(len(values))]
    for line, value in zip(lines, values, strict=True):
        if "_discarded" not in line:
            assert line["properties"]["p"] == (value if is_ascii else json.loads(text_of(value)))


def text_of(value: Any) -> str:
    """Return JSON with halves of surrogate pairs as they arrive from an encoder that replaces them."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()


@given(st.binary(max_size=60))
def test_any_bytes_are_either_items_or_refused(data: bytes) -> None:
    for body in (data, b'{"batch":[' + data + b"]}", b'{"batch":[{"type":"page"},' + data + b"]}"):
        try:
            read = read_batch(body)
        except RejectedRecordError:
            continue
        judged = judge_items(read.items, Arrival("acme", NOW, fields=read.fields))
        assert len(judged.events) == len(read.items)


@given(st.binary(max_size=40).filter(lambda data: not set(data) & set(b'"[]{},\\')))
def test_a_damaged_item_does_not_cost_its_neighbours(damage: bytes) -> None:
    first, last = b'{"type":"page","messageId":"1"}', b'{"type":"page","messageId":"2"}'
    lines, rejected = batch(b'{"batch":[%s,{"a":%s},%s]}' % (first, damage or b"?", last))
    assert [line["messageId"] for line in lines] == ["1", "2"]
    assert len(rejected) == 1


def test_values_stay_as_they_were_written() -> None:
    sent = b'{"type":"page","messageId":"1","properties":{"a":1.10,"b":1E2,"c":12345678901234567890123,"d":"\\u0000"}}'
    judged = judge_items([sent], Arrival("acme", NOW))
    assert judged.events[0].line.endswith(sent[1:])


def test_values_that_are_no_json_become_null_with_a_note() -> None:
    body = (
        b'{"batch":[{"type":"page","messageId":"1","properties":{"n":NaN,"l":[1,-Infinity],"s":"a\\ud800",'
        b'"\\udfff":1,"n2":1.10,"big":1e999}}]}'
    )
    ((line,), rejected) = batch(body)
    assert rejected == []
    assert line["properties"] == {"n": None, "l": [1, None], "s": None, "n2": 1.1, "big": float("inf")}
    assert line["_discarded"] == [
        {"path": ["properties", "n"], "value": "NaN", "reason": "not_a_number"},
        {"path": ["properties", "l"], "value": "-Infinity", "reason": "not_a_number"},
        {"path": ["properties", "s"], "value": '"a\\ud800"', "reason": "lone_surrogate"},
        {"path": ["properties", "?"], "value": '{"\\udfff":1}', "reason": "lone_surrogate"},
    ]


def test_what_lies_in_an_array_is_told_with_the_array_s_path_and_once() -> None:
    line = single(
        b'{"messageId":"1","properties":{"a":[%sNaN,{"b":[NaN,{"\\ud800":1.10}]}]}}' % (b"NaN," * 50_000), "page"
    )
    assert line["_discarded"] == [
        {"path": ["properties", "a"], "value": "NaN", "reason": "not_a_number"},
        {"path": ["properties", "a"], "value": '{"\\ud800":1.10}', "reason": "lone_surrogate"},
    ]


def test_a_note_is_hardly_longer_than_its_value() -> None:
    text = "注文" * 120_000 + "\ud800"
    sent = json.dumps({"messageId": "1", "properties": {"a": text}}, ensure_ascii=False)
    line = single(sent.replace("\ud800", "\\ud800").encode(), "page")
    assert json.loads(line["_discarded"][0]["value"]) == text


def test_a_write_key_is_in_no_note() -> None:
    assert "_discarded" not in single(b'{"messageId":"1","writeKey":"secret\\ud800"}', "page")
    line = single(b'{"messageId":"1","writeKey":{"secret":NaN},"x":NaN}', "page")
    assert line["_discarded"] == [{"path": ["x"], "value": "NaN", "reason": "not_a_number"}]


OWN_NOTES = (
    '[{"path":["properties","a"],"value":"NaN","reason":"not_a_number"}]',
    '[{"path":["properties","a"],"value":"1.10","reason":"type_conflict"}]',
    *("null", "1.10", '"x"', "[]", "{}", '{"path":{}}', "[[[]]]"),
)


@pytest.mark.parametrize("space", ["", " "])
@pytest.mark.parametrize("name", ["_discarded", "\\u005fdiscarded"])
@pytest.mark.parametrize("own", OWN_NOTES)
def test_a_sender_s_own_notes_are_its_data_and_never_the_platform_s(own: str, name: str, space: str) -> None:
    item = f'{{"type":"page",{space}"messageId":"1","{name}":{own},"properties":{{"a":1.10,"_discarded":2}}}}'
    judged = judge_items([item.encode()], Arrival("acme", NOW))
    assert judged.rejected == []
    assert f'"_discarded_":{own}' in judged.events[0].line.decode()
    line = strictly(judged.events[0].line)
    assert "_discarded" not in line
    assert line["properties"] == {"a": 1.1, "_discarded": 2}


def test_beside_a_sender_s_own_notes_are_those_of_the_platform() -> None:
    line = single(b'{"messageId":"1","_discarded":[NaN],"x":-Infinity,"_discarded":{"y":NaN}}', "page")
    assert line["_discarded_"] == {"y": None}
    assert line["_discarded"] == [
        {"path": ["_discarded_"], "value": "NaN", "reason": "not_a_number"},
        {"path": ["x"], "value": "-Infinity", "reason": "not_a_number"},
        {"path": ["_discarded_", "y"], "value": "NaN", "reason": "not_a_number"},
    ]


@given(JSON_VALUES, st.booleans())
def test_whatever_a_sender_calls_its_notes_costs_nothing(own: Any, is_ascii: bool) -> None:
    event = {"type": "page", "messageId": "1", "_discarded": own, "properties": {"a": 1}}
    text = json.dumps(event, ensure_ascii=is_ascii).encode("utf-8", "replace")
    judged = judge_items([text], Arrival("acme", NOW))
    assert judged.rejected == []
    line = strictly(judged.events[0].line)
    assert "_discarded_" in line
    assert "_discarded" not in line or read_mended(line["_discarded"]) is not None


def test_invalid_utf8_and_deep_nesting_cost_their_item_only() -> None:
    deep = b"[" * 5_000 + b"]" * 5_000
    body = b'{"batch":[{"type":"page","messageId":"1"},{"type":"page","x":"\xff"},%s,{"type":"page","x":%s}]}'
    lines, rejected = batch(body % (deep, deep))
    assert [line["messageId"] for line in lines] == ["1"]
    assert rejected == [RejectReason.NOT_UTF8, *[RejectReason.NESTED_TOO_DEEPLY] * 2]


def test_nesting_that_the_platform_takes_is_taken() -> None:
    item = b'{"type":"page","messageId":"1","x":' + b"[" * 1_000 + b"]" * 1_000 + b"}"
    read = read_batch(b'{"batch":[' + item + b"]}")
    assert read.items == [item]
    assert judge_items(read.items, Arrival("acme", NOW)).rejected == []


def test_what_is_added() -> None:
    line = single(
        b'{"event":"E","writeKey":"secret","sentAt":"2026-11-22T10:00:10Z","timestamp":"2026-11-22T10:00:00Z"}'
    )
    assert re.fullmatch(r"[0-9a-f-]{36}", line.pop("messageId"))
    assert line == {
        "type": "track",
        "event": "E",
        "receivedAt": RECEIVED,
        "sentAt": "2026-11-22T10:00:10Z",
        "originalTimestamp": "2026-11-22T10:00:00Z",
        "timestamp": "2026-11-22T09:01:53.931Z",
    }


@pytest.mark.parametrize(
    ("sent", "timestamp", "original"),
    [
        ({}, RECEIVED, None),
        ({"timestamp": "2020-01-01T00:00:00Z"}, "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ({"originalTimestamp": "2020-01-01"}, "2020-01-01", "2020-01-01"),
        ({"timestamp": "yesterday"}, RECEIVED, "yesterday"),
        ({"timestamp": None, "originalTimestamp": None}, RECEIVED, None),
        ({"sentAt": "2026-11-22T09:00:00Z", "timestamp": "2026-11-22T08:59:59.5Z"}, "2026-11-22T09:02:03.431Z", None),
        ({"sentAt": "broken", "timestamp": "2026-11-22T08:00:00Z"}, "2026-11-22T08:00:00Z", "2026-11-22T08:00:00Z"),
        ({"sentAt": "1970-01-01", "timestamp": "2026-11-22T08:00:00Z"}, "2026-11-22T08:00:00Z", "2026-11-22T08:00:00Z"),
    ],
)
@pytest.mark.parametrize("space", ["", " ", "\n"])
def test_the_clock_of_the_sender(sent: dict[str, Any], timestamp: str, original: str | None, space: str) -> None:
    event = {"type": "page", "messageId": "1", **sent}
    line = single(json.dumps(event, separators=("," + space, ":" + space)).encode(), "page")
    assert line["timestamp"] == timestamp
    assert line.get("originalTimestamp") == (sent["timestamp"] if original is None and "sentAt" in sent else original)


@given(st.timedeltas(timedelta(days=-400), timedelta(days=400)), st.timedeltas(timedelta(0), timedelta(days=30)))
def test_a_wrong_clock_changes_nothing(wrong_by: timedelta, ago: timedelta) -> None:
    sent_at = NOW + wrong_by
    event = {"type": "page", "sentAt": sent_at.isoformat(), "timestamp": (sent_at - ago).isoformat()}
    line = single(json.dumps(event).encode(), "page")
    assert datetime.fromisoformat(line["timestamp"]) == NOW - ago


@pytest.mark.parametrize(
    "item",
    [
        '{"type":"page","messageId":"1","timestamp":"2026-01-01T00:00:00Z","properties":{"timestamp":"x"}}',
        '{"timestamp":"2026-01-01T00:00:00Z","type":"page","messageId":"1","properties":{"timestamp":"x"}}',
        '{"type":"page","messageId":"1","\\u0074imestamp":"2026-01-01T00:00:00Z","properties":{"timestamp":"x"}}',
        '{"type":"page","messageId":"1","properties":{"timestamp":"x"},"timestamp":"2026-01-01T00:00:00Z"}',
    ],
)
def test_members_of_the_same_name_further_in_are_left_alone(item: str) -> None:
    line = single(item[:-1].encode() + b',"sentAt":"2026-01-01T00:00:00Z"}', "page")
    assert line["timestamp"] == RECEIVED
    assert line["originalTimestamp"] == "2026-01-01T00:00:00Z"
    assert line["properties"] == {"timestamp": "x"}


def test_what_the_sender_says_of_its_arrival_does_not_count() -> None:
    assert single(b'{"receivedAt":"2020-01-01T00:00:00Z"}', "page")["receivedAt"] == RECEIVED
    assert single(b'{"receivedAt":{"a":1},"x":"receivedAt"}', "page")["receivedAt"] == RECEIVED


def test_what_a_batch_says_counts_for_its_items() -> None:
    body = {
        "sentAt": "2026-11-22T09:02:00Z",
        "context": {"app": "a"},
        "integrations": {"All": True},
        "batch": [
            {"type": "page", "messageId": "1"},
            {"type": "page", "messageId": "2", "context": {"app": "b"}, "sentAt": "2026-11-22T09:01:00Z"},
        ],
    }
    (first, second), _ = batch(json.dumps(body).encode(), client_ip="203.0.113.7")
    assert first["context"] == {"app": "a", "ip": "203.0.113.7"}
    assert (first["sentAt"], first["integrations"]) == ("2026-11-22T09:02:00Z", {"All": True})
    assert second["context"] == {"app": "b", "ip": "203.0.113.7"}
    assert second["sentAt"] == "2026-11-22T09:01:00Z"


@pytest.mark.parametrize("client_ip", [None, "203.0.113.7"])
def test_what_a_batch_says_for_all_keeps_its_digits(client_ip: str | None) -> None:
    body = b"""{"context":{"price":1.10,
        "big":12345678901234567890123,"a":1,"a":2},"integrations":{"All":1.0},"batch":[{"type":"page"}]}"""
    read = read_batch(body)
    (event,) = judge_items(read.items, Arrival("acme", NOW, client_ip, fields=read.fields)).events
    assert b'"price":1.10,' in event.line
    assert b'"big":12345678901234567890123,"a":1,"a":2}' in event.line
    assert b'"integrations":{"All":1.0}' in event.line
    assert strictly(event.line)["context"].get("ip") == client_ip


def test_odd_values_that_a_batch_says_for_all_are_noted_in_every_item_that_gets_them() -> None:
    items = b'{"type":"page"},{"type":"page","context":{}},{"type":"page","x":NaN}'
    body = b'{"context":{"n":NaN,"t":"\xff","ip":null},"batch":[%s]}' % items
    (first, second, third), rejected = batch(body, client_ip="203.0.113.7")
    assert rejected == []
    assert first["context"] == {"ip": "203.0.113.7", "n": None, "t": None}
    notes = read_mended(first["_discarded"])
    assert notes is not None
    assert [(note.path, note.reason) for note in notes] == [
        (("context", "n"), "not_a_number"),
        (("context", "t"), "lone_surrogate"),
    ]
    assert "_discarded" not in second
    assert [entry["path"] for entry in third["_discarded"]] == [["x"], ["context", "n"], ["context", "t"]]


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("", {"ip": "203.0.113.7"}),
        ('"context":null', {"ip": "203.0.113.7"}),
        ('"context":{ }', {"ip": "203.0.113.7"}),
        ('"context":{"ip":null,"a":1}', {"ip": "203.0.113.7", "a": 1}),
        ('"context":{"b":{"ip":1}}', {"ip": "203.0.113.7", "b": {"ip": 1}}),
        ('"context":{"ip":"8.8.8.8"}', {"ip": "8.8.8.8"}),
        ('"context":"odd"', "odd"),
    ],
)
def test_the_client_address(context: str, expected: object) -> None:
    item = '{"type":"page","properties":{"context":{}}' + (f",{context}" if context else "") + "}"
    line = single(item.encode(), "page", client_ip="203.0.113.7")
    assert (line["context"], line["properties"]) == (expected, {"context": {}})


@pytest.mark.parametrize("sent", ["", " ", "a\0", {}, [], True, 1.5, "é" * 2_049, "\ud800"])
def test_an_unusable_id_is_replaced_and_noted(sent: object) -> None:
    line = single(json.dumps({"messageId": sent}).encode(), "page")
    assert re.fullmatch(r"[0-9a-f-]{36}", line["messageId"])
    assert [note["reason"] for note in line["_discarded"]] == ["no_message_id"]
    assert line["_discarded"][0]["path"] == ["messageId"]


@pytest.mark.parametrize("sent", ["a", "x" * 4_096, 7, -7, 10**30])
def test_a_usable_id_stays(sent: object) -> None:
    judged = judge_items([json.dumps({"type": "page", "messageId": sent}).encode()], Arrival("acme", NOW))
    assert judged.events[0].message_id == str(sent)
    assert strictly(judged.events[0].line)["messageId"] == sent


def test_two_items_without_an_id_are_two_events() -> None:
    lines, _ = batch(b'{"batch":[{"type":"page"},{"type":"page"}]}')
    assert lines[0]["messageId"] != lines[1]["messageId"]


def test_a_large_rejected_item_is_kept_in_pieces() -> None:
    data = bytes(range(256)) * 8_000
    judged = judge_items([data], Arrival("acme", NOW))
    markers = [DamageMarker.from_line(event.line) for event in judged.events]
    assert b"".join(marker.rest for marker in markers if marker) == data
    assert len({event.message_id for event in judged.events}) == len(judged.events) == 3
    assert all(len(encode_event(event)) < MAX_DATA_BYTES for event in judged.events)


def test_a_body_full_of_brackets_ends_soon() -> None:
    with pytest.raises(RejectedRecordError):
        read_batch(b'{"batch":[' + b"[" * 1_000_000)
