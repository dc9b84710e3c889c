"""Both ways of completing an item, splicing and writing again, say the same, and keep what was sent digit by digit."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clickstream_platform.collector import completing
from clickstream_platform.collector.completing import Arrival, complete, id_text
from clickstream_platform.collector.judging import judge_items
from clickstream_platform.collector.reading import read_batch
from clickstream_platform.model.records import RejectReason
from clickstream_platform_tests.collector.running import NOW

TIME = "2026-11-22T09:00:00.1234Z"
NAMES = ("receivedAt", "messageId", "type", "timestamp", "originalTimestamp", "sentAt", "writeKey", "context")
OTHERS = ("integrations", "properties", "ip", "_discarded", '"context', '"writeKey":"s"', "a", "é")
NUMBERS = ("7", "1.10", "-0", "1E2", "12345678901234567890123")
TEXTS = ('""', '"s"', '"x\\"y"', '"\\u0000"', '"\\\\"', '"\\"writeKey\\":\\"s\\""', '"\\u0073"', '"é"')
SCALARS = st.sampled_from(["null", "true", *NUMBERS, *TEXTS, f'"{TIME}"', '"2026-01-01"', '"1.2.3.4"'])
SPACE = st.sampled_from(["", "", " ", "\n", "\t\r\n "])


def spelled(name: str, escaped: int) -> str:
    """Return a name as JSON; with one of its characters escaped if `escaped` is the number of one."""
    if escaped < len(name) and name[escaped].isalpha():
        return json.dumps(name[:escaped])[:-1] + f"\\u{ord(name[escaped]):04x}" + json.dumps(name[escaped + 1 :])[1:]
    return json.dumps(name, ensure_ascii=False)


KEYS = st.builds(spelled, st.sampled_from(NAMES + OTHERS), st.integers(0, 40))


def in_object(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(KEYS, SPACE, SPACE, values, SPACE), max_size=6)
    return members.map(lambda all_: "{" + ",".join(f"{a}{key}{b}:{a}{value}{c}" for key, a, b, value, c in all_) + "}")


def in_array(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=3).map(lambda all_: f"[{','.join(all_)}]")


VALUES = st.recursive(SCALARS, lambda inner: in_object(inner) | in_array(inner), max_leaves=6)
ITEMS = in_object(VALUES)
ARRIVALS = st.builds(
    Arrival,
    st.just("acme"),
    st.just(NOW),
    st.sampled_from([None, "203.0.113.7"]),
    st.sampled_from([None, "page"]),
    st.sampled_from([{}, {"sentAt": TIME, "context": b'{"c":1.10}', "integrations": b'{"All":1.0}'}]),
)


def as_pairs(text: bytes) -> Any:
    """Return JSON as pairs, with numbers as they are written, so that equal means equal in every digit and order."""
    return json.loads(text, object_pairs_hook=lambda pairs: ("object", pairs), parse_int=str, parse_float=str)


def without_changed(pairs: Any, names: set[str]) -> list[Any]:
    return [(name, value) for name, value in pairs[1] if name not in names]


@settings(max_examples=400)
@given(ITEMS, ARRIVALS)
@example('{"messageId":-0}', Arrival("acme", NOW))
@example('{"messageId":"-0"}', Arrival("acme", NOW))
def test_both_ways_are_one(item: str, arrival: Arrival) -> None:
    data = item.encode()
    record = orjson.loads(data)
    with mock.patch.object(completing, "uuid", mock.Mock(uuid4=lambda: "0-0")):
        line, shallow = complete(data, arrival, dict(record))
        other, other_shallow = completing._rewrite(data, arrival)
    spliced, rewritten = json.loads(line, parse_float=str), json.loads(other, parse_float=str)
    assert b"\n" not in line
    assert spliced == rewritten
    assert id_text(shallow["messageId"]) == id_text(other_shallow["messageId"])
    if isinstance(shallow.get("type"), str):
        assert shallow["type"] == other_shallow["type"]
    # What isn't the collector's to change is there in its order, as often and with the digits it was sent with.
    ours = {*NAMES, "integrations", "_discarded", "_discarded_"}
    assert without_changed(as_pairs(line), ours) == without_changed(as_pairs(data), ours)
    assert "writeKey" not in spliced


@pytest.mark.parametrize(
    ("own", "further_in"),
    [
        ('"\\u0074imestamp":"2026-01-01"', '"timestamp":"2026-01-01"'),
        ('"write\\u004bey":"secret"', '"writeKey":"secret"'),
        ('"conte\\u0078t":{"a":1}', '"context":{"b":1}'),
        ('"context":{"\\u0069p":null}', '"x":1'),
    ],
)
def test_a_name_written_with_escapes_is_not_taken_for_one_further_in(own: str, further_in: str) -> None:
    item = f'{{"type":"page","messageId":"1","sentAt":"2026-01-01",{own},"properties":{{{further_in}}}}}'
    (event,) = judge_items([item.encode()], Arrival("acme", NOW, "203.0.113.7")).events
    line = json.loads(event.line)
    assert line["properties"] == json.loads(f"{{{further_in}}}")
    assert line["context"]["ip"] == "203.0.113.7"
    assert line["timestamp"] == "2026-11-22T09:02:03.931Z"
    assert "writeKey" not in line


def test_a_time_with_half_of_a_surrogate_pair_costs_only_itself() -> None:
    body = b'{"batch":[{"type":"page","messageId":"1","timestamp":"\\ud800"},{"type":"page","messageId":"2"}]}'
    judged = judge_items(read_batch(body).items, Arrival("acme", NOW))
    assert judged.rejected == []
    line = json.loads(judged.events[0].line)
    assert line["timestamp"] == "2026-11-22T09:02:03.931Z"
    assert [note["path"] for note in line["_discarded"]] == [["timestamp"]]


@pytest.mark.parametrize("name", ["messageId", "writeKey", "timestamp", "context", "x"])
@pytest.mark.parametrize("form", ["[%s]", '{"a":%s}'])
def test_nesting_costs_at_most_its_own_item(name: str, form: str) -> None:
    opened, closed = form.split("%s")
    for depth in (300, 480, 495, 600, 900, 990, 1_100):
        deep = opened * depth + "1" + closed * depth
        items = [f'{{"type":"page","messageId":"1","{name}":{deep}}}', '{"type":"page","messageId":"2"}']
        body = f'{{"batch":[{",".join(items)}]}}'
        judged = judge_items(read_batch(body.encode()).items, Arrival("acme", NOW, "203.0.113.7"))
        assert set(judged.rejected) <= {RejectReason.NESTED_TOO_DEEPLY}
        assert judged.events[-1].message_id == "2"
