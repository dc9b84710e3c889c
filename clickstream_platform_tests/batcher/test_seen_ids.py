"""Ids: exact in every size and order, the same after a restart, in bounded memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.batcher import seen_ids
from clickstream_platform.batcher.id_arrays import HOUR_MS, IdArray, IdQueries, hash_id
from clickstream_platform.batcher.seen_ids import SeenIds
from clickstream_platform.errors import InvalidNameError

WINDOW_SECONDS = 24 * 3_600
NOW_MS = 500_000 * HOUR_MS
# Few values in the first half, so that ids with equal first halves are common here.
IDS = st.builds(lambda high, low: bytes([high, *b"\0" * 14, low]), st.integers(0, 2), st.integers(0, 30))


@given(st.lists(IDS, max_size=60), st.lists(IDS, max_size=60))
def test_searching_tells_exactly_what_is_there(held: list[bytes], asked: list[bytes]) -> None:
    found = IdArray.of(held).contains(IdQueries.of(asked))
    assert found.tolist() == [each in set(held) for each in asked]


@given(st.lists(st.lists(IDS, max_size=20), min_size=1, max_size=6), st.lists(IDS, max_size=20))
def test_merged_arrays_hold_what_their_parts_hold(parts: list[list[bytes]], asked: list[bytes]) -> None:
    merged = IdArray.merge([IdArray.of(part) for part in parts])
    everything = {each for part in parts for each in part}
    assert merged.contains(IdQueries.of(asked)).tolist() == [each in everything for each in asked]
    with tempfile.TemporaryDirectory() as folder:
        if len(merged):
            mapped = IdArray.mapped(Path(folder) / "ids", merged)
            assert mapped.contains(IdQueries.of(asked)).tolist() == [each in everything for each in asked]


@given(st.lists(IDS, max_size=50), st.integers(0, 2**50))
def test_the_stored_form_is_read_back(held: list[bytes], last_arrived_ms: int) -> None:
    ids, read_ms = IdArray.from_bytes(IdArray.of(held).to_bytes(last_arrived_ms))
    assert read_ms == last_arrived_ms
    assert len(ids) == len(held)
    assert ids.contains(IdQueries.of(held)).all()


@pytest.mark.parametrize("data", [b"", b"csids-1\n", IdArray.of([b"x" * 16]).to_bytes(1)[:-1]])
def test_a_damaged_stored_form_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidNameError, match="damaged"):
        IdArray.from_bytes(data)


def test_ids_of_customers_and_kinds_differ_and_any_text_is_an_id() -> None:
    ids = {hash_id("a", "1"), hash_id("b", "1"), hash_id("a", "1", is_rejected=True), hash_id("a", "\ud800")}
    assert len(ids) == 4
    assert hash_id("a", "1") == hash_id("a", "1")


BATCHES = st.lists(
    st.tuples(st.lists(IDS, min_size=1, max_size=25), st.integers(0, 20 * HOUR_MS), st.booleans()), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(BATCHES, st.integers(1, 5))
def test_answers_do_not_depend_on_restarts_nor_on_sizes(
    batches: list[tuple[list[bytes], int, bool]], max_open: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen_ids, "MAX_OPEN_IDS", max_open)
        patch.setattr(seen_ids, "MAX_ARRAYS", 2)
        patch.setattr(seen_ids, "MAPPED_BYTES", 64)
        seen, stored, when, number = SeenIds(Path(folder) / "0"), list[bytes](), NOW_MS, 0
        written: dict[bytes, int] = {}  # the hour of the batch that wrote an id last
        for ids, pause_ms, is_restarted in batches:
            when += pause_ms
            if is_restarted:
                number += 1
                seen = SeenIds(Path(folder) / str(number))
                for each in stored:
                    seen.load(each)
            seen.begin(when, WINDOW_SECONDS)
            answers = [answer for each in ids for answer in seen.are_new([each])]
            expected = []
            for each in ids:
                is_new = each not in written or (written[each] + 1) * HOUR_MS <= when - WINDOW_SECONDS * 1_000
                expected.append(is_new)
                if is_new:
                    written[each] = when // HOUR_MS
            assert answers == expected
            stored.append(seen.stored(when))
            seen.commit(when)


def test_a_batch_that_is_repeated_gets_the_same_answers(tmp_path: Path) -> None:
    seen, ids = SeenIds(tmp_path), [os.urandom(16) for _ in range(100)]
    seen.begin(NOW_MS, WINDOW_SECONDS)
    assert seen.are_new([*ids, *ids]) == [True] * 100 + [False] * 100
    seen.forget_open()
    seen.begin(NOW_MS, WINDOW_SECONDS)
    assert seen.are_new(ids) == [True] * 100


def test_what_is_too_old_leaves_the_disk(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path)
    for hour in range(40):
        seen.begin(NOW_MS + hour * HOUR_MS, WINDOW_SECONDS)
        seen.are_new([os.urandom(16) for _ in range(20_000)])
        seen.commit(NOW_MS + hour * HOUR_MS)
    assert len(list(tmp_path.iterdir())) <= 27
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 27 * 20_000 * 16
