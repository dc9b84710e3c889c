"""Where lines go, and that their bytes stay as they are but for the two keys every raw line has."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.ingest.routing import Place, Router, message_id
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import RECORD_TYPES, UNIDENTIFIED, Stream

HOUR = Hour.parse("2026-11-22T09")
START = "2026-11-22T09:00:00Z"
ROUTER = Router(HOUR)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=8,
)
RECORDS = st.builds(
    lambda fields, named: {**fields, **named},
    st.dictionaries(st.text() | st.sampled_from(["receivedAt", "messageId", "properties"]), VALUES, max_size=6),
    st.fixed_dictionaries(
        {"type": st.sampled_from(sorted(RECORD_TYPES)), "event": st.text().filter(str.strip)},
        optional={
            "receivedAt": st.none() | st.just("2026-11-22T11:59:59.999+01:00") | st.text(),
            "messageId": st.none() | st.just("m-1") | st.text(),
        },
    ),
)
SPACE = st.sampled_from(["", " ", "\t", "  \r"])


@given(RECORDS, SPACE, SPACE, st.booleans(), st.data())
def test_only_the_missing_keys_are_added(
    record: dict[str, Any], before: str, after: str, ascii_only: bool, data: st.DataObject
) -> None:
    items = data.draw(st.permutations(list(record.items())))
    text = before + json.dumps(dict(items), ensure_ascii=ascii_only).replace("{", "{" + after, 1) + after
    line = text.encode()
    place, raw = ROUTER.route(line)
    assert not place.is_unidentified
    added = {} if record.get("receivedAt") is not None else {"receivedAt": START}
    if record.get("messageId") is None:
        added["messageId"] = message_id(line)
    assert orjson.loads(raw) == orjson.loads(line) | added
    assert len(raw) == len(line) + sum(len(f'"{key}":"{value}",') for key, value in added.items())
    again, same = ROUTER.route(raw)
    assert (again.event, again.hour, same) == (place.event, place.hour, raw)


@given(st.binary() | st.text().map(str.encode))
def test_any_line_is_routed(line: bytes) -> None:
    place, raw = ROUTER.route(line)
    Stream("acme", place.event)
    assert place.is_unidentified is (place.event == UNIDENTIFIED)
    if place.is_unidentified:
        assert (place.hour, raw) == (HOUR, line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"type":"page"}', b'{"receivedAt":"%s","messageId":"%s","type":"page"}'),
        (b' { "type":"page" } ', b' {"receivedAt":"%s","messageId":"%s", "type":"page" } '),
        (b'{"type":"page","messageId":"m"}', b'{"receivedAt":"%s","type":"page","messageId":"m"}'),
        (b'{"receivedAt":"x","type":"page"}', b'{"messageId":"%s","receivedAt":"x","type":"page"}'),
        (b'{"type":"page","messageId":null}', b'{"receivedAt":"%s","type":"page","messageId":null,"messageId":"%s"}'),
        (
            b'{"receivedAt":null,"type":"page","messageId":""}',
            b'{"receivedAt":null,"type":"page","messageId":"","receivedAt":"%s"}',
        ),
        (b'{"type":"page","messageId":7,"receivedAt":7}', b'{"type":"page","messageId":7,"receivedAt":7}'),
        (b'{"type":"page","messageId":{},"receivedAt":false}', b'{"type":"page","messageId":{},"receivedAt":false}'),
        (
            b'{"type":"page","context":{"messageId":"in","receivedAt":"in"}}',
            b'{"receivedAt":"%s","messageId":"%s","type":"page","context":{"messageId":"in","receivedAt":"in"}}',
        ),
    ],
)
def test_what_is_spliced_in(line: bytes, expected: bytes) -> None:
    values = [(b'"receivedAt":"%s"', START.encode()), (b'"messageId":"%s"', message_id(line).encode())]
    wanted = expected % tuple(value for form, value in values if form in expected)
    assert ROUTER.route(line)[1] == wanted


def test_a_message_id_depends_on_the_line_only() -> None:
    assert message_id(b'{"type":"page"}') == "auto-" + "46c98a646244390d4ed314e6e306cd7e"
    assert Router(HOUR.plus(5)).route(b'{"type":"page"}')[1] != ROUTER.route(b'{"type":"page"}')[1]
    assert message_id(b'{"type":"page" }') != message_id(b'{"type":"page"}')


@pytest.mark.parametrize(
    ("record", "event"),
    [
        ({"type": "track", "event": "Order Completed"}, "order_completed"),
        ({"type": "track", "event": "注文完了"}, "注文完了"),
        ({"type": "track", "event": "identifies"}, "_identifies"),
        ({"type": "track", "event": "_unidentified"}, "__unidentified"),
        ({"type": "track", "event": "identify", "name": 1}, "identify"),
        ({"type": "identify", "event": "ignored"}, "identifies"),
        ({"type": "page"}, "pages"),
        ({"type": "screen"}, "screens"),
        ({"type": "group"}, "groups"),
        ({"type": "alias"}, "aliases"),
    ],
)
def test_the_stream_of_a_record(record: dict[str, Any], event: str) -> None:
    assert ROUTER.route(json.dumps(record).encode())[0] == Place(event, HOUR)


@pytest.mark.parametrize(
    "line",
    [
        b"null",
        b"42",
        b'"x"',
        b"[1,2]",
        b"{}",
        b'{"type":"track","event":}',
        b'{"type":"track","event":"E"',
        b'{"type":"track","event":"E"}{"type":"track","event":"E"}',
        b'{"type":"track"}',
        b'{"type":"track","event":null}',
        b'{"type":"track","event":""}',
        b'{"type":"track","event":"  \\u3000"}',
        b'{"type":"track","event":42}',
        b'{"type":"track","event":{"a":1}}',
        b'{"type":"TRACK","event":"E"}',
        b'{"type":"purchase","event":"E"}',
        b'{"type":["track"],"event":"E"}',
        b'{"type":null,"event":"E"}',
        b'{"event":"E"}',
        b'{"type":"track","event":"E","v":NaN}',
        b'{"type":"track","event":"E","v":-Infinity}',
        b'{"type":"track","event":"E","v":"a\x00b"}',
        b'{"type":"track","event":"E","v":"\xff"}',
        b'{"type":"track","event":"E","v":"\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"type":"track","event":"E"}',
        b'{"type":"track","event":"E","v":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        '{"type":"track","event":"E"}'.encode("utf-16"),
    ],
)
def test_a_line_that_names_no_stream_stays_as_it_is(line: bytes) -> None:
    assert ROUTER.route(line) == (Place(UNIDENTIFIED, HOUR), line)


@pytest.mark.parametrize("value", ["1e400", "-1e400", "9" * 5_000, '"\\ud800"', "18446744073709551616"])
def test_values_that_only_some_parsers_refuse_do_not_hide_the_stream(value: str) -> None:
    line = f'{{"type":"track","event":"Num","messageId":"m","receivedAt":"{START}","v":{value}}}'.encode()
    assert ROUTER.route(line) == (Place("num", HOUR, True), line)


@pytest.mark.parametrize(
    ("received_at", "hour"),
    [
        ("2024-03-10T23:59:59.999Z", "2024-03-10T23"),
        ("2024-03-10T23:30:00-00:45", "2024-03-11T00"),
        ("2024-03-10", "2024-03-10T00"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00"),
        ("9998-12-31T23:59:59Z", "9998-12-31T23"),
    ],
)
def test_the_hour_is_that_of_received_at(received_at: str, hour: str) -> None:
    line = json.dumps({"type": "page", "messageId": "m", "receivedAt": received_at}).encode()
    assert ROUTER.route(line) == (Place("pages", Hour.parse(hour), True), line)


@pytest.mark.parametrize(
    "received_at",
    ["yesterday", "", 1_704_067_200, "1969-12-31T23:59:59Z", "0001-01-01", "9999-12-31T23:30:00Z", [], True],
)
def test_no_usable_received_at_gives_the_default_hour_and_stays(received_at: object) -> None:
    line = json.dumps({"type": "page", "messageId": "m", "receivedAt": received_at}).encode()
    assert ROUTER.route(line) == (Place("pages", HOUR), line)
