"""The size of a run's pod: within its limits, never smaller for more work, and above what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.model.pod_size import (
    MEMORY_STEP_MB,
    MIN_CPU_MILLIS,
    STORAGE_STEP_MB,
    PodLimits,
    SizeClass,
    Work,
    doubled,
    pod_size,
)

works = st.builds(
    Work,
    size_bytes=st.integers(0, 10**13),
    objects=st.integers(0, 10**6),
    events=st.integers(0, 10**4),
    extra_mb=st.sampled_from([0, 128, 1024, 8192]),
)
limits = st.builds(
    PodLimits,
    min_memory_mb=st.integers(256, 2048),
    max_memory_mb=st.integers(2048, 10**6),
    max_cpu_millis=st.integers(100, 16_000),
    max_storage_mb=st.integers(1024, 10**6),
    max_seconds=st.integers(60, 10**6),
)
ORDER = list(SizeClass)
# What was measured (docs/pods.md): MB of raw objects, objects, events, memory of DuckDB; at the peak MiB, MB of disk.
MEASURED = [
    ("smallest", 0.2, 1, 1, 0, 206, 1),
    ("smallest, duckdb", 0.2, 1, 1, 1024, 209, 1),
    ("small", 20.0, 5, 5, 0, 433, 21),
    ("small, duckdb", 20.0, 5, 5, 1024, 440, 21),
    ("many objects", 23.2, 2000, 5, 0, 406, 22),
    ("many events", 21.3, 200, 200, 0, 404, 27),
    ("many events, duckdb", 21.3, 200, 200, 1024, 693, 27),
    ("medium", 99.7, 25, 5, 0, 549, 289),
    ("medium, duckdb", 99.7, 25, 5, 1024, 1008, 288),
    ("large", 398.2, 100, 5, 0, 589, 1059),
    ("large, duckdb", 398.2, 100, 5, 1024, 1043, 1059),
]


@given(works, limits)
def test_a_pod_is_within_its_limits(work: Work, within: PodLimits) -> None:
    size = pod_size(work, within)
    assert within.min_memory_mb <= size.memory_mb <= within.max_memory_mb
    assert 0 < size.storage_mb <= within.max_storage_mb
    assert min(MIN_CPU_MILLIS, within.max_cpu_millis) <= size.cpu_millis <= within.max_cpu_millis
    assert size.memory_mb % MEMORY_STEP_MB == 0 or size.memory_mb in (within.min_memory_mb, within.max_memory_mb)
    assert size.storage_mb % STORAGE_STEP_MB == 0 or size.storage_mb == within.max_storage_mb


@given(works, works, limits)
def test_more_work_never_gets_less(one: Work, other: Work, within: PodLimits) -> None:
    more = Work(
        max(one.size_bytes, other.size_bytes),
        max(one.objects, other.objects),
        max(one.events, other.events),
        max(one.extra_mb, other.extra_mb),
    )
    small, large = pod_size(one, within), pod_size(more, within)
    assert large.memory_mb >= small.memory_mb
    assert large.storage_mb >= small.storage_mb
    assert large.cpu_millis >= small.cpu_millis
    assert large.seconds >= small.seconds
    assert ORDER.index(large.size_class) >= ORDER.index(small.size_class)


@given(works, limits)
def test_wider_limits_never_make_a_pod_smaller_or_outsize(work: Work, within: PodLimits) -> None:
    wide = replace(
        within,
        max_memory_mb=2 * within.max_memory_mb,
        max_storage_mb=2 * within.max_storage_mb,
        max_seconds=2 * within.max_seconds,
    )
    narrow, wider = pod_size(work, within), pod_size(work, wide)
    assert wider.memory_mb >= narrow.memory_mb
    assert wider.storage_mb >= narrow.storage_mb
    assert narrow.is_outsize or not wider.is_outsize


@pytest.mark.parametrize("measured", MEASURED, ids=[each[0] for each in MEASURED])
def test_a_pod_has_more_than_was_measured_but_not_ten_times_as_much(
    measured: tuple[str, float, int, int, int, int, int],
) -> None:
    _, raw_mb, objects, events, extra_mb, peak_mb, disk_mb = measured
    size = pod_size(Work(int(raw_mb * 1e6), objects, events, extra_mb), PodLimits())
    assert peak_mb * 1.2 < size.memory_mb < max(peak_mb * 10, 1024 + extra_mb)
    assert disk_mb * 1.5 < size.storage_mb
    assert size.size_class != SizeClass.OUTSIZE


def test_outsize_is_what_no_pod_within_the_limits_holds() -> None:
    assert pod_size(Work(60_000_000_000, 10_000, 100), PodLimits()).size_class == SizeClass.OUTSIZE
    assert pod_size(Work(4_000_000_000, 10_000, 100), PodLimits()).size_class != SizeClass.OUTSIZE
    assert pod_size(Work(4_000_000_000, 10_000, 100), PodLimits(max_seconds=600)).is_outsize
    assert pod_size(Work(4_000_000_000, 10_000, 100), PodLimits(max_storage_mb=10_000)).is_outsize


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_pod_grows_to_twice_its_size_within_the_limit_or_not_at_all(megabytes: int, limit_mb: int) -> None:
    larger = doubled(megabytes, limit_mb)
    if megabytes >= limit_mb:
        assert larger is None
    else:
        assert larger == min(2 * megabytes, limit_mb)
