"""The snapshot as it is sent, built once per change.

Belongs here: writing, compressing and keeping it. Does not: reading it (`registry.service`), who gets which (`routes`).

Two are kept, with and without the hashes of write keys, compressed only: hardly anybody asks for another form.
"""

from __future__ import annotations

import gzip
import time
from dataclasses import dataclass
from threading import Lock

import orjson

from clickstream_platform.registry.documents import snapshot_document
from clickstream_platform.registry.entities import Snapshot
from clickstream_platform.registry.http.measures import Measures
from clickstream_platform.registry.service import RegistryService

_GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Kept:
    """One form of the snapshot."""

    tag: str
    """Weak: the same content is taken at another moment with other advisory counts, and sent compressed or not."""
    compressed: bytes


class SnapshotCache:
    """The newest snapshot; shared by the threads of a process."""

    def __init__(self, registry: RegistryService, measures: Measures) -> None:
        """Read from a registry, when the first asks."""
        self._registry, self._measures, self._lock = registry, measures, Lock()
        self._version: int | None = None
        self._with_keys, self._without_keys = Kept("", b""), Kept("", b"")

    def current(self, *, with_keys: bool) -> Kept:
        """Return the snapshot as of now; those who ask while it is built wait for it."""
        version = self._registry.version()
        with self._lock:
            if self._version != version:  # a database that was restored goes back
                version = self._registry.version()  # who waited may hold an older number than what was built meanwhile
                if self._version != version:
                    self._build()
                    self._version = version
            return self._with_keys if with_keys else self._without_keys

    def _build(self) -> None:
        started = time.perf_counter()
        snapshot = self._registry.snapshot()
        self._with_keys = _kept(snapshot, f'W/"{snapshot.etag}-keys"', with_keys=True)
        self._without_keys = _kept(snapshot, f'W/"{snapshot.etag}"', with_keys=False)
        self._measures.snapshot_builds.observe(time.perf_counter() - started)
        self._measures.snapshot_size.set(len(self._with_keys.compressed))


def _kept(snapshot: Snapshot, tag: str, *, with_keys: bool) -> Kept:
    # The time of compression is left out, so that equal content is sent as equal bytes.
    document = orjson.dumps(snapshot_document(snapshot, with_keys=with_keys))
    return Kept(tag, gzip.compress(document, _GZIP_LEVEL, mtime=0))
