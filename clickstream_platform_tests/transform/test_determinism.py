"""The same records give the same tables, whatever the order, the blocks, the memory and the objects they come in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.transform import notes, parts
from clickstream_platform.transform.transformer import TransformSettings
from clickstream_platform_tests.transform.awkward import mixed_lines
from clickstream_platform_tests.transform.batches import stage, stage_lines, track
from clickstream_platform_tests.transform.content import content_of, in_objects, objects_of

LINES = mixed_lines(3000)
SMALL_BLOCKS = TransformSettings(block_bytes=1, max_record_bytes=4000)


@pytest.fixture(scope="module")
def expected() -> dict[str, object]:
    """What staging all lines at once gives."""
    content = content_of(stage_lines(LINES))
    totals = content["totals"]
    assert isinstance(totals, dict)
    assert all(totals[name] > 20 for name in ("rows", "duplicates", "rejected", "discarded"))
    return content


def test_staging_again_writes_the_same_bytes() -> None:
    refs, store = in_objects([LINES])
    copy = MemoryObjectStore()
    for info in store.list_objects("raw/"):
        copy.put(info.key, store.get(info.key))
    first, second = stage(refs, store), stage(refs, copy)
    assert first.batch == second.batch
    written = objects_of(first)
    assert written == objects_of(second)
    assert {key.partition("/")[0] for key in written} == {"staged", "quarantine"}


def test_staging_again_in_the_same_store_changes_nothing() -> None:
    refs, store = in_objects([LINES[:500]])
    before = objects_of(stage(refs, store))
    assert objects_of(stage(refs, store)) == before


def test_small_blocks_make_no_difference(expected: dict[str, object]) -> None:
    assert content_of(stage_lines(LINES, settings=SMALL_BLOCKS)) == expected


def test_spooling_to_disk_makes_no_difference(expected: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "MEMORY_BYTES", 0)
    tiny = TransformSettings(memory_bytes=0, block_bytes=1, max_record_bytes=4000)
    assert content_of(stage_lines(LINES, settings=tiny)) == expected


def test_small_parts_hold_the_same_rows(expected: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ROW_GROUP_BYTES", 1)
    small = TransformSettings(part_bytes=20_000, block_bytes=1, max_record_bytes=4000)
    staged = stage_lines(LINES, settings=small)
    assert content_of(staged) == expected
    written = [part for pack in staged.batch.packs for part in pack.parts]
    assert len(written) > len(staged.batch.packs) + 3
    assert all(len(staged.store.get(part.key)) == part.size for part in written)
    for pack in staged.batch.packs:
        assert all(part.size >= 20_000 for part in pack.parts[:-1])


def test_the_order_of_lines_makes_no_difference(expected: dict[str, object]) -> None:
    assert content_of(stage_lines(LINES[::-1])) == expected
    shuffled = LINES.copy()
    random.Random(3).shuffle(shuffled)
    assert content_of(stage_lines(shuffled)) == expected


@pytest.mark.parametrize("pieces", [[0, 1], [1, 0], [4, 2, 0, 1, 3]])
def test_the_order_and_number_of_objects_make_no_difference(expected: dict[str, object], pieces: list[int]) -> None:
    size = len(LINES) // len(pieces) + 1
    refs, store = in_objects([LINES[piece * size : (piece + 1) * size] for piece in pieces])
    assert content_of(stage(refs, store)) == expected


def test_an_event_alone_is_staged_as_among_others(expected: dict[str, object]) -> None:
    refs, store = in_objects([LINES])
    alone = content_of(stage({"event_0": refs["event_0"]}, store))
    for name in ("event_0", "event_0 columns"):
        assert alone[name] == expected[name]


# Values that readers and writers of JSON like to write otherwise than they came.
DELICATE = [
    "3.0000000000000001",
    "123456789012345678.5",
    "1e22",
    "1E5",
    "1.50",
    "-0",
    "[3.0000000000000001,123456789012345678.5]",
    "[1e5,-0,2.50]",
    '[{"a":1,"a":2}]',
    '["a\\/b","\\u00e9"]',
]


@pytest.mark.parametrize("value", DELICATE)
@pytest.mark.parametrize("space", ["", " "])
def test_what_becomes_of_a_value_does_not_depend_on_how_many_rows_there_are(value: str, space: str) -> None:
    def outcome(count: int) -> list[object]:
        lines = [track("Sample", f"m{number}", {"v": None}) for number in range(count)]
        lines = [line.replace(b"null", f"{space}{value}".encode()) for line in lines]
        other = track("Sample", "other", {"v": ["x"] if value[0] == "[" else "x"})
        staged = stage_lines([*lines, other])
        found = {row["v"] for row in staged.rows("sample") if row["id"] != "other"}
        return [found, staged.types("sample")["v"], staged.totals["discarded"] / count]

    assert outcome(10) == outcome(400)


integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9)
texts = st.sampled_from(["", "a", "2026-11-22", "x\0y", "true", "5"])
others = st.sampled_from([1.0, 2**53 + 1, [1], {"k": 1}, {}])
values = st.none() | st.booleans() | integers | st.floats(-9, 9) | texts | others
properties = st.dictionaries(st.sampled_from(["a", "A", "b", "b_k", "id", "c d", "cD"]), values, max_size=5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["One", "Two"]), st.integers(0, 8), properties), max_size=14), st.randoms())
def test_any_records_in_any_order(records: list[tuple[str, int, dict[str, object]]], draw: random.Random) -> None:
    lines = [track(event, f"m{number}", found) for event, number, found in records]
    expected = content_of(stage_lines(lines))
    draw.shuffle(lines)
    half = len(lines) // 2
    refs, store = in_objects([lines[half:], lines[:half]])
    assert content_of(stage(refs, store, settings=TransformSettings(memory_bytes=0))) == expected
