"""The DuckDB engine gives exactly what the single engine gives, whatever the lines."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import igzip

from clickstream_platform.model.naming import event_slug
from clickstream_platform.transform.chunks import BatchStream, Chunk, SourceObject
from clickstream_platform.transform.engines import duckdb as duckdb_engine
from clickstream_platform.transform.engines.duckdb import DuckDBEngine
from clickstream_platform.transform.engines.port import Engine, Shredded
from clickstream_platform.transform.engines.single import SingleEngine
from clickstream_platform_tests.shared_data import needs_shared_data, read_json_lines, shared_data
from clickstream_platform_tests.transform.batches import route, track


def make_chunk(streams: dict[str, list[bytes]]) -> tuple[Chunk, list[BatchStream]]:
    numbered = [BatchStream(number, event) for number, event in enumerate(streams)]
    lines = [(stream, line) for stream in numbered for line in streams[stream.event]]
    sizes = np.array([len(line) + 1 for _, line in lines], np.int64)
    ends = np.cumsum(sizes) - 1
    numbers = np.array([stream.number for stream, _ in lines], np.int64)
    data = b"".join(line + b"\n" for _, line in lines)
    sources = [SourceObject(f"key-{stream.number}", stream) for stream in numbered]
    chunk = Chunk(data, ends - sizes + 1, ends, np.arange(1, len(lines) + 1), numbers, numbers, sources, 0)
    return chunk, numbered


def canonical(shredded: Shredded) -> dict[int, object]:
    """Return what each line became, by position; JSON columns compared by value."""
    outcome: dict[int, object] = {}
    for shred in shredded.shreds:
        columns = {name: column.to_pylist() for name, column in shred.columns.items()}
        for row, position in enumerate(shred.position.tolist()):
            values = {name: values[row] for name, values in columns.items() if values[row] is not None}
            assert position not in outcome
            outcome[position] = (int(shred.stream[row]), int(shred.line_hash[row]), values)
    for rejection in shredded.rejections:
        assert rejection.index not in outcome
        outcome[rejection.index] = rejection.reason
    outcome.update(dict.fromkeys(shredded.blank, "blank"))
    return outcome


def shred_with(engine: Engine, chunk: Chunk, streams: list[BatchStream]) -> Shredded:
    try:
        return engine.shred(chunk, streams)
    finally:
        engine.close()


@pytest.fixture(autouse=True)
def _extract_small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb_engine, "MIN_ROWS", 1)


def assert_engines_agree(streams: dict[str, list[bytes]], max_depth: int = 8) -> Shredded:
    chunk, numbered = make_chunk(streams)
    expected = shred_with(SingleEngine(max_depth=max_depth), chunk, numbered)
    found = shred_with(DuckDBEngine(max_depth=max_depth), chunk, numbered)
    expected_lines, found_lines = canonical(expected), canonical(found)
    assert found_lines.keys() == expected_lines.keys()
    for position, want in expected_lines.items():
        assert found_lines[position] == want, chunk.line(position)
    assert sorted(map(repr, found.notes)) == sorted(map(repr, expected.notes))
    return found


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: round(value, 3)),
    st.text(max_size=12),
    st.sampled_from(
        ["2026-11-22T09:00:00Z", "", "null", "NaN", "Infinity", 'a"b', "a\\b", "\u0000x", "é", "1e5", ",}", ", ]"]
    ),
)
keys = st.sampled_from(["a", "b", "B", "c d", "id", "event", "0", "a.b", "x/y", "é", "", "name", "timestamp"])
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(keys, values, max_size=5),
            st.one_of(values, st.dictionaries(keys, values, max_size=3)),
            st.booleans(),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_records_become_the_same(records: list[tuple[dict[str, object], object, bool]]) -> None:
    lines = [
        track("Sample", f"m{number}", properties, **({"context": context} if has_context else {}))
        for number, (properties, context, has_context) in enumerate(records)
    ]
    found = assert_engines_agree({"sample": lines})
    assert sum(len(shred) for shred in found.shreds) == len(lines)


# JSON as text, since no writer of JSON would make these: numbers of any length and form, keys that occur twice, white
# space anywhere. Exponents stay below the greatest double's: the engines' limits there are tested one by one.
number_texts = st.from_regex(r"-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
spaces = st.sampled_from(["", "", "", " ", "\t", "  "])
string_texts = st.sampled_from(['"a"', '"1e5"', '":1.50,"', '"\\u00e9"', '"a\\/b"', '"{"', '"\\""', '"é"'])


def documents(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arrays = st.tuples(spaces, st.lists(inner, max_size=3)).map(lambda part: f"[{part[0]}{','.join(part[1])}{part[0]}]")
    return st.one_of(arrays, objects(inner))


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(st.sampled_from(["a", "b", "B", "c"]), spaces, inner), max_size=4)
    return members.map(
        lambda found: "{" + ",".join(f'"{key}"{space}:{space}{text}' for key, space, text in found) + "}"
    )


texts = st.recursive(st.one_of(number_texts, string_texts, st.sampled_from(["true", "null"])), documents, max_leaves=6)


@settings(max_examples=250, deadline=None)
@given(st.lists(objects(texts), min_size=1, max_size=8))
def test_any_text_becomes_the_same(properties: list[str]) -> None:
    lines = [track("Sample", f"m{number}", {"x": 0}) for number in range(len(properties))]
    lines = [line.replace(b'{"x":0}', text.encode()) for line, text in zip(lines, properties, strict=True)]
    found = assert_engines_agree({"sample": lines})
    assert sum(len(shred) for shred in found.shreds) == len(lines)


ODD_LINES = [
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":1,}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":[1,]}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":1 , }}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":NaN}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":nan}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":-Infinity}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":-nan}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":NAN}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":[INF]}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":{"c": -nAn}}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":NULL}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":inf}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":[Infinity]}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":{"c":[-inf]}}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":01}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":1,"a":2}}',
    b'{"type":"track","type":"page","event":"Sample","messageId":"m","properties":{}}',
    b'{"type":"track","event":"Sample","messageId":"m","messageId":"n","properties":{}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":"\\ud800"}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":"\\uD83D\\uDE00"}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":"x\\u0000y"}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":"\x01"}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":"\xff"}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":1e400}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":18446744073709551616}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":9223372036854775808}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":[123456789012345678901234567890]}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":1E+2}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":-0}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":-0.0}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":0.30000000000000004}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":"text"}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":[1]}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":null,"context":7}',
    b'{"type":"track","event":"Sample","messageId":7,"properties":{}}',
    b'{"type":"track","event":"Sample","messageId":"","properties":{}}',
    b'{"type":"track","event":"Sample","messageId":" \\t","properties":{}}',
    b'{"type":"track","event":"Other","messageId":"m","properties":{}}',
    b'{"type":"track","event":"SAMPLE","messageId":"m","properties":{}}',
    b'{"type":"track","event":"","messageId":"m","properties":{}}',
    b'{"type":"track","event":{"a":1},"messageId":"m","properties":{}}',
    b'{"type":"Track","event":"Sample","messageId":"m","properties":{}}',
    b'{"event":"Sample","messageId":"m","properties":{}}',
    b'  {"type": "track", "event": "Sample", "messageId": "m", "properties": { "a" : 1 } }  ',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":1}} x',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":1}}{"a":1}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":1} /* comment */}',
    b"{'type':'track'}",
    b"null",
    b"[]",
    b"7",
    b"{}",
    b"                       ",
    b'{"type":"track","event":"Sample","messageId":"\xc2\xa0","properties":{}}',
    b'{"type":"track","event":"Sample","messageId":"\xe2\x80\x83","properties":{}}',
    b'{"type":"track","event":"Sample","messageId":"m  ","properties":{}}',
    b'{"type":"track","event":"Sample","messageId":"m\\u0020","properties":{}}',
    b'{"type":"track","event":"Sample","messageId":"m\\t","properties":{}}',
    b'{"type":"track","event":NaN,"messageId":"m","properties":{}}',
    b'{"type":"track","event":' + b"[" * 1500 + b"]" * 1500 + b',"event":"Sample","messageId":"m"}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":' + b"[" * 1100 + b"]" * 1100 + b"}}",
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"b":1e400,"a":'
    + b"[" * 1000
    + b"]" * 1000
    + b"}}",
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":' + b"[" * 600 + b"]" * 600 + b',"a":1}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"b":1e400,"a":"\\ud800","a":"x"}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":{"a":{"x":1,"x":2},"a":{"x":2}}}',
    b'{"type":"track","event":"Sample","x":"' + "é".encode() * 20 + b'" oops}',
    b'{"type":"track","event":"Sample","x":".' + "é".encode() * 20 + b'" oops}',
    b'\xef\xbb\xbf{"type":"track","event":"Sample","messageId":"m","properties":{}}',
    b'{"type":"track","event":"Sample","messageId":"m","properties":' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}",
]


@pytest.mark.parametrize("line", ODD_LINES, ids=lambda line: line[60:110].decode("utf-8", "backslashreplace"))
def test_an_odd_line_among_regular_ones_becomes_the_same(line: bytes) -> None:
    regular = [
        track("Sample", f"r{number}", {"a": number, "b": "x"}, context={"ip": "1.2.3.4"}) for number in range(30)
    ]
    found = assert_engines_agree({"sample": [*regular[:15], line, *regular[15:]]})
    assert sum(len(shred) for shred in found.shreds) >= len(regular)


def test_an_empty_object_below_the_depth_limit_is_no_value() -> None:
    lines = [track("Sample", f"m{number}", {"a": {"b": {} if number % 2 else number}}) for number in range(60)]
    found = assert_engines_agree({"sample": lines}, max_depth=2)
    assert sum(len(shred) for shred in found.shreds) == len(lines)


def test_a_group_without_any_json_is_rejected() -> None:
    good, streams = make_chunk({"sample": [track("Sample", f"m{number}", {"a": number}) for number in range(300)]})
    bad, _ = make_chunk({"sample": [b'{"type":"track" oops}'] * 300})
    engine = DuckDBEngine(max_depth=8)
    engine.shred(good, streams)
    assert len(shred_with(engine, bad, streams).rejections) == 300


@needs_shared_data("5-edge-cases")
def test_json_test_suite_becomes_the_same() -> None:
    documents = [
        base64.b64decode(case["content_b64"])
        for case in read_json_lines(shared_data("5-edge-cases", "jsontestsuite.jsonl"))
    ]
    head, tail = track("Sample", "m", {"v": 12345678}).split(b"12345678")
    lines = [head + document + tail for document in documents if b"\n" not in document]
    regular = [track("Sample", f"r{number}", {"v": number}) for number in range(30)]
    assert_engines_agree({"sample": regular + lines + [line for line in documents if b"\n" not in line]})


def log_files() -> Iterable[str]:
    try:
        return sorted(path.name for path in shared_data("1-event-logs", "segment").glob("*.gz"))
    except pytest.skip.Exception:
        return []


@needs_shared_data("1-event-logs")
@pytest.mark.parametrize("name", log_files())
def test_real_logs_become_the_same(name: str) -> None:
    lines = igzip.decompress(shared_data("1-event-logs", "segment", name).read_bytes()).split(b"\n")[:-1]
    found = assert_engines_agree(route(lines[:4000]))
    assert not found.rejections


def test_regular_records_are_extracted_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb_engine, "MIN_ROWS", 256)
    lines = [track("Sample", f"r{number}", {"a": number, "b": {"c": "x"}}) for number in range(1000)]
    chunk, streams = make_chunk({event_slug("Sample"): [*lines, b"{oops"]})
    engine = DuckDBEngine(max_depth=8)
    read: list[int] = []
    original = engine._single.shred_lines

    def spy(chunk: Chunk, indexes: Iterable[int], *rest: object) -> None:
        read.extend(indexes := list(indexes))
        original(chunk, indexes, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine._single, "shred_lines", spy)
    shredded = shred_with(engine, chunk, streams)
    assert read == [1000]
    assert sum(len(shred) for shred in shredded.shreds) == 1000
    assert orjson.loads(shredded.shreds[0].columns["b_c"].to_pylist()[0]) == "x"
