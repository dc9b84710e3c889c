"""What waits between reading and writing: the same from memory and from disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import igzip

from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.records import DiscardReason
from clickstream_platform.transform import notes, quarantine
from clickstream_platform.transform.notes import NoteSpool
from clickstream_platform.transform.quarantine import LinesObject
from clickstream_platform.transform.records import Note
from clickstream_platform.transform.shreds import Shred, ShredSpool, shred_from_rows

columns = st.sampled_from(["id", "a", "é", "_stream", "=x", ""])
rows = st.lists(
    st.dictionaries(columns, st.sampled_from(['"x"', "1", "null", '"é😀"', "[1]"]), max_size=4), min_size=1, max_size=8
)


def content(shred: Shred) -> tuple[object, ...]:
    found = {name: column.to_pylist() for name, column in shred.columns.items()}
    return found, shred.stream.tolist(), shred.position.tolist(), shred.line_hash.tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=5), st.sampled_from([0, 200, 10_000_000]))
def test_shreds_come_back_in_order_any_number_of_times(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[dict[str, str]]], memory_bytes: int
) -> None:
    spool = ShredSpool(tmp_path_factory.mktemp("spool"), memory_bytes)
    shreds = []
    for number, batch in enumerate(batches):
        streams, positions = [n // 3 for n in range(len(batch))], [100 * number + n for n in range(len(batch))]
        shreds.append(shred_from_rows(batch, streams, positions, [2**32 - n - 1 for n in range(len(batch))]))
        spool.append(shreds[-1])
    for _ in range(2):
        assert [content(shred) for shred in spool] == [content(shred) for shred in shreds]


def test_only_what_exceeds_the_memory_goes_to_disk(tmp_path: Path) -> None:
    shred = shred_from_rows([{"id": '"x"' * 100}] * 100, [0] * 100, list(range(100)), [0] * 100)
    spool = ShredSpool(tmp_path, 2 * shred.size_bytes)
    for written in (0, 0, 1, 2):
        spool.append(shred)
        assert len(list(tmp_path.iterdir())) == written


def test_selecting_keeps_all_parts_of_a_row_together() -> None:
    shred = shred_from_rows([{"a": str(n)} for n in range(6)], [0, 0, 1, 1, 1, 2], list(range(6)), [9, 8, 7, 6, 5, 4])
    chosen = shred.select(shred.position % 2 == 1)
    assert content(chosen) == ({"a": ["1", "3", "5"]}, [0, 1, 2], [1, 3, 5], [8, 6, 4])
    numbers, starts = shred.segments()
    assert (numbers.tolist(), starts.tolist()) == ([0, 1, 2], [0, 2, 5])
    assert [part.tolist() for part in shred.select(shred.position < 0).segments()] == [[], []]


def note(text: str) -> Note:
    return Note("column", text, DiscardReason.NAME_COLLISION)


@pytest.mark.parametrize("memory_bytes", [0, 1000, 10_000_000])
def test_notes_are_found_by_the_position_of_their_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory_bytes: int
) -> None:
    monkeypatch.setattr(notes, "MEMORY_BYTES", memory_bytes)
    spool = NoteSpool(tmp_path)
    assert spool.of(5) == {}
    spool.add(0, [])
    spool.add(10, [(11, note("1")), (13, note("2")), (11, note("3"))])
    spool.add(20, [])
    spool.add(30, [(30, note("4" * 2000))])
    assert spool.of(9) == {}
    for _ in range(2):
        assert spool.of(10) == spool.of(19) == {11: [note("1"), note("3")], 13: [note("2")]}
        assert spool.of(30) == spool.of(99) == {30: [note("4" * 2000)]}
    assert len(list(tmp_path.iterdir())) == {0: 2, 1000: 2, 10_000_000: 0}[memory_bytes]


@pytest.mark.parametrize(("count", "size"), [(0, 0), (1, 10), (1, 500_000), (3000, 100), (7, 200_000)])
def test_lines_objects_hold_every_line_and_clean_up(tmp_path: Path, count: int, size: int) -> None:
    store = MemoryObjectStore()
    lines = [b"%d " % number + b"x" * size for number in range(count)]
    for key in ("first", "again"):
        gathered = LinesObject(tmp_path)
        for line in lines:
            gathered.add(line)
        assert bool(list(tmp_path.iterdir())) == (count * size >= quarantine._MEMBER_BYTES)
        gathered.put(store, key)
        assert list(tmp_path.iterdir()) == []
    assert igzip.decompress(store.get("first")) == b"".join(line + b"\n" for line in lines)
    assert store.get("first") == store.get("again")
