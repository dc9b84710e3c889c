"""Writes what can't be loaded: rejected records per stream-hour, and values too long for `_discards`.

Belongs here: gathering in bounded memory and writing the objects. Does not: reading them back (`quarantine`).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from isal import igzip

from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.transform.port import Objects

_MEMBER_BYTES = 128 * 1024


class LinesObject:
    """One gzip object of JSON lines; the same lines give the same bytes, whenever they come.

    Thousands of streams may have one at the same time: a few lines take no more memory than they have bytes, many are
    compressed and go to a file in `folder`.
    """

    def __init__(self, folder: Path) -> None:
        """Start empty."""
        self._folder = folder
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self._path: Path | None = None

    def add(self, line: bytes) -> None:
        """Append one line."""
        self._lines.append(line + b"\n")
        self._size_bytes += len(line)
        if self._size_bytes >= _MEMBER_BYTES:
            self._write_member()

    def put(self, objects: Objects, key: str) -> None:
        """Write the object and forget the lines."""
        if self._path is None:
            objects.put(key, igzip.compress(b"".join(self._lines), mtime=0))
            return
        if self._lines:
            self._write_member()
        objects.put_file(key, self._path)
        self._path.unlink()

    def _write_member(self) -> None:
        if self._path is None:
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix="lines-", delete=False) as file:
                self._path = Path(file.name)
        with self._path.open("ab") as target:
            target.write(igzip.compress(b"".join(self._lines), mtime=0))
        self._lines, self._size_bytes = [], 0


class Quarantine:
    """Gathers the rejected records of a batch by stream number; `counts` are records, not pieces of long lines."""

    def __init__(self, folder: Path) -> None:
        """Start empty; what is large is gathered in files in `folder`."""
        self._folder = folder
        self._objects: dict[int, LinesObject] = {}
        self.counts: dict[int, int] = {}

    def add(self, stream: int, record: QuarantinedRecord) -> None:
        """Take a rejected record; a further piece of a line is not counted again."""
        if stream not in self._objects:
            self._objects[stream] = LinesObject(self._folder)
        self._objects[stream].add(record.to_json())
        self.counts[stream] = self.counts.get(stream, 0) + (record.part == 0)

    def put(self, objects: Objects, keys: dict[int, str]) -> dict[int, str]:
        """Write all objects; return the key of each stream that has one."""
        for stream, lines in self._objects.items():
            lines.put(objects, keys[stream])
        return {stream: keys[stream] for stream in self._objects}
