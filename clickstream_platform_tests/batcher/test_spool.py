"""The spool: every line once in its order, the same bytes whatever was spilled, bounded memory, no file left."""

from __future__ import annotations

import gzip
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.batcher import spool as module
from clickstream_platform.batcher.bounds import BatchBounds, BatchPlan, ObjectBounds
from clickstream_platform.batcher.spool import Spool, SpooledObject, Target
from clickstream_platform_tests.batcher.world import World, event

LINES = st.lists(st.tuples(st.integers(0, 4), st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"")),
                           st.booleans()), max_size=80)  # fmt: skip


def content(item: SpooledObject) -> bytes:
    return item.body if isinstance(item.body, bytes) else item.body.read_bytes()


def fill(folder: Path, lines: list[tuple[int, bytes, bool]], bounds: ObjectBounds, memory: int) -> list[SpooledObject]:
    spool = Spool(folder, bounds, memory)
    try:
        for sequence, (stream, line, is_end) in enumerate(lines, 1):
            spool.add((stream, "shop", "seen"), sequence, line)
            if is_end:
                spool.end_record()
        spool.end_record()
        return [replace(each, body=content(each)) for each in spool.objects()]
    finally:
        spool.close()


@settings(max_examples=80, deadline=None)
@given(LINES, st.integers(1, 200), st.integers(1, 10), st.integers(0, 2_000), st.integers(1, 300))
def test_lines_keep_their_order_and_objects_their_bytes_whatever_memory_there_is(
    lines: list[tuple[int, bytes, bool]], max_bytes: int, max_records: int, memory: int, member: int
) -> None:
    member_bytes, module.MEMBER_BYTES = module.MEMBER_BYTES, member
    large_bytes, module._LARGE_BYTES = module._LARGE_BYTES, 200
    try:
        with tempfile.TemporaryDirectory() as name:
            bounds = ObjectBounds(max_bytes, max_records)
            small = fill(Path(name), lines, bounds, memory)
            assert small == fill(Path(name), lines, bounds, 1 << 30)
    finally:
        module.MEMBER_BYTES, module._LARGE_BYTES = member_bytes, large_bytes
    found: dict[Target, list[bytes]] = {}
    for each in sorted(small, key=lambda item: item.first):
        assert isinstance(each.body, bytes)
        text = gzip.decompress(each.body).split(b"\n")[:-1]
        assert len(text) == each.records
        found.setdefault(each.target, []).extend(text)
    for stream in range(5):
        expected = [line for number, line, _ in lines if number == stream]
        assert found.get((stream, "shop", "seen"), []) == expected
    names = [(item.target, item.first, item.last) for item in small]
    assert len(set(names)) == len(names)


def test_memory_stays_within_its_limit_with_thousands_of_streams(tmp_path: Path) -> None:
    limit = 200_000
    spool = Spool(tmp_path, ObjectBounds(), limit)
    for n in range(20_000):
        spool.add((1, "shop", f"event_{n % 5_000}"), n, b"x" * 200)
        spool.end_record()
        assert spool._held_bytes <= limit
    assert sum(item.records for item in spool.objects()) == 20_000
    spool.close()


def test_a_large_object_goes_through_a_file_which_is_deleted(tmp_path: Path) -> None:
    world = World(tmp_path)
    data = [event(n) for n in range(3)]
    lines = [b'{"noise":"%s"}' % os.urandom(6_000_000).hex().encode() for _ in data]
    for each, line in zip(data, lines, strict=True):
        world.put(each._replace(line=line))
    world.run(world.worker())
    assert sorted(world.lines()) == sorted(lines)
    assert ("put_file", str(next(iter(world.raw())))) in world.store.story
    world.close()
    assert not any(path.is_file() for path in tmp_path.rglob("object-*"))


@given(st.integers(0, 10**70), st.integers(1), st.integers(1), st.integers(1))
def test_a_plan_is_read_back(end: int, size: int, records: int, window: int) -> None:
    plan = BatchPlan(end, size, records, window)
    assert BatchPlan.from_json(plan.to_json()) == plan


def test_bounds_are_each_enough_and_an_empty_batch_never_ends() -> None:
    bounds = BatchBounds(max_bytes=10, max_records=5, max_age_seconds=60)
    assert [bounds.is_due(*each) for each in ((10, 1, 0), (1, 5, 0), (1, 1, 60))] == [True] * 3
    assert not bounds.is_due(9, 4, 59.9)
    assert not bounds.is_due(0, 0, 1_000)
