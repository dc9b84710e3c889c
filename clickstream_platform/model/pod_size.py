"""How large the pod of a run must be for the work that it does: a few sums over bytes, objects and events.

Belongs here: the model, its measured constants and its limits. Does not: what Kubernetes calls these things
(`defs.pods`). The measurements are in docs/pods.md, made by `bench.pod_sizes`.

The work is done in bounded memory, so memory hardly grows with bytes: what differs is how full the bounds get, and how
many tables are open at once. Disk and time grow with bytes. Nothing here shrinks when the work grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil

MEGABYTE = 1_000_000
MIB = 1024 * 1024

# Memory in MiB. Measured: 206 for a worker with Dagster and the definitions, before Arrow and DuckDB do anything;
WORKER_MB = 256
# chunks, shreds and Parquet writers, which are bounded: 227 at 20 MB of raw objects (gzip), 343 at 100, 383 at 400;
BOUNDED_MB, BOUNDED_AT_RAW_MB = 384, 24
# above that pages of mapped files and what the allocator keeps: 0.13 to 0.25 for each MB of raw objects;
RAW_SHARE = 0.25
# tables, their columns and writers: 200 events took 250 MiB more with DuckDB and nothing that showed without;
EVENT_MB = 1.25
# 2,000 objects took nothing that showed.
OBJECT_MB = 0.005
# Those are generated records; those of customers may be wider or deeper.
HEADROOM = 1.3
# Sizes are rounded up to these steps, so that pods of like work are of like size.
MEMORY_STEP_MB, STORAGE_STEP_MB = 128, 512

# Disk: 2.9 bytes for each byte of raw objects, doubled; beside logs and what else a pod writes.
DISK_SHARE, BASE_STORAGE_MB = 6.0, 512

# Seconds. CPU: 5.5 of start, 0.14 to 0.20 for a MB of raw objects; what an object and a table cost is mostly waiting.
START_SECONDS, RAW_MB_SECONDS, OBJECT_SECONDS, EVENT_SECONDS = 8.0, 0.3, 0.01, 0.3
# A pod asks for as much CPU as its work takes within this time, and for no more than keeps it busy.
TARGET_SECONDS = 300.0
MIN_CPU_MILLIS, BUSY_CPU_MILLIS = 500, 1000


class SizeClass(StrEnum):
    """A word for people, and for choosing nodes: what kind of pod it is."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    OUTSIZE = "outsize"


SMALL_MB, MEDIUM_MB = 1024, 4096


@dataclass(frozen=True, slots=True)
class Work:
    """What a run has to do: bytes of its raw objects as stored, how many objects, of how many events, and what else.

    `extra_mb` is memory that settings allow beside what was measured, in MiB: that of a warehouse inside the pod
    (DuckDB; a cluster of its own, like Redshift, takes none), and limits of the transform above their defaults.
    """

    size_bytes: int
    objects: int
    events: int
    extra_mb: int = 0


@dataclass(frozen=True, slots=True)
class PodLimits:
    """What a pod gets at least and at most: memory and disk in MiB, CPU in thousandths of a core, time in seconds."""

    min_memory_mb: int = 768
    max_memory_mb: int = 16_384
    max_cpu_millis: int = 2_000
    max_storage_mb: int = 65_536
    max_seconds: int = 7_200


@dataclass(frozen=True, slots=True)
class PodSize:
    """A pod, and how long its work takes about; an outsize one is more than the limits allow a pod to be."""

    cpu_millis: int
    memory_mb: int
    storage_mb: int
    seconds: float
    size_class: SizeClass

    @property
    def is_outsize(self) -> bool:
        """Whether the work is too large for a pod within the limits."""
        return self.size_class == SizeClass.OUTSIZE


def pod_size(work: Work, limits: PodLimits) -> PodSize:
    """Return the pod for some work, within the limits."""
    memory, storage, seconds = _memory_mb(work), _storage_mb(work), _seconds(work)
    is_outsize = memory > limits.max_memory_mb or storage > limits.max_storage_mb or seconds > limits.max_seconds
    wanted_millis = ceil(seconds / TARGET_SECONDS * 1000)
    memory = min(max(memory, limits.min_memory_mb), limits.max_memory_mb)
    return PodSize(
        cpu_millis=min(max(wanted_millis, MIN_CPU_MILLIS), BUSY_CPU_MILLIS, limits.max_cpu_millis),
        memory_mb=memory,
        storage_mb=min(storage, limits.max_storage_mb),
        seconds=seconds,
        size_class=SizeClass.OUTSIZE if is_outsize else _class_of(memory),
    )


def doubled(megabytes: int, limit_mb: int) -> int | None:
    """Return twice as much, within the limit; None when the limit is reached already."""
    return min(2 * megabytes, limit_mb) if megabytes < limit_mb else None


def _memory_mb(work: Work) -> int:
    raw_mb = work.size_bytes / MEGABYTE
    filled = min(raw_mb / BOUNDED_AT_RAW_MB, 1.0) * BOUNDED_MB
    grown = max(raw_mb - BOUNDED_AT_RAW_MB, 0.0) * RAW_SHARE
    own = WORKER_MB + filled + grown + work.events * EVENT_MB + work.objects * OBJECT_MB
    return _rounded(own * HEADROOM + work.extra_mb, MEMORY_STEP_MB)


def _storage_mb(work: Work) -> int:
    return _rounded(BASE_STORAGE_MB + work.size_bytes / MIB * DISK_SHARE, STORAGE_STEP_MB)


def _seconds(work: Work) -> float:
    work_seconds = (
        work.size_bytes / MEGABYTE * RAW_MB_SECONDS + work.objects * OBJECT_SECONDS + work.events * EVENT_SECONDS
    )
    return START_SECONDS + work_seconds


def _class_of(memory_mb: int) -> SizeClass:
    if memory_mb <= SMALL_MB:
        return SizeClass.SMALL
    return SizeClass.MEDIUM if memory_mb <= MEDIUM_MB else SizeClass.LARGE


def _rounded(megabytes: float, step: int) -> int:
    return ceil(megabytes / step) * step
