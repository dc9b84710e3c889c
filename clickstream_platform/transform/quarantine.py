"""Writes what can't be loaded: rejected records per stream-hour, and values too long for `_discards`.

Belongs here: gathering in bounded memory and writing the objects. Does not: reading them back (`quarantine`).
"""

from __future__ import annotations

import tempfile
from typing import IO

from isal import igzip

from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.transform.port import Objects

_MEMORY_BYTES_PER_OBJECT = 128 * 1024


class LinesObject:
    """One gzip object of JSON lines, gathered in memory or, when large, on disk; the same lines give the same bytes."""

    def __init__(self) -> None:
        """Start empty."""
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES_PER_OBJECT)  # noqa: SIM115
        self._gzip = igzip.IGzipFile(fileobj=self._file, mode="wb", mtime=0)

    def add(self, line: bytes) -> None:
        """Append one line."""
        self._gzip.write(line + b"\n")

    def put(self, objects: Objects, key: str) -> None:
        """Write the object and forget the lines."""
        self._gzip.close()
        self._file.seek(0)
        objects.put(key, self._file.read())
        self._file.close()


class Quarantine:
    """Gathers the rejected records of a batch by stream number; `counts` are records, not pieces of long lines."""

    def __init__(self) -> None:
        """Start empty."""
        self._objects: dict[int, LinesObject] = {}
        self.counts: dict[int, int] = {}

    def add(self, stream: int, record: QuarantinedRecord) -> None:
        """Take a rejected record; a further piece of a line is not counted again."""
        self._objects.setdefault(stream, LinesObject()).add(record.to_json())
        self.counts[stream] = self.counts.get(stream, 0) + (record.part == 0)

    def put(self, objects: Objects, keys: dict[int, str]) -> dict[int, str]:
        """Write all objects; return the key of each stream that has one."""
        for stream, lines in self._objects.items():
            lines.put(objects, keys[stream])
        return {stream: keys[stream] for stream in self._objects}
