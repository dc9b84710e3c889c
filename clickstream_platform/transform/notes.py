"""Notes on values that flattening left out, kept until the rows are written: a little in memory, the rest on disk.

Belongs here: keeping notes by the position of their record. Does not: what becomes of them (`settle`).
"""

from __future__ import annotations

import pickle
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from pathlib import Path

from clickstream_platform.transform.records import Note

MEMORY_BYTES = 16 * 1024 * 1024
_NOTE_BYTES = 400  # of one note beside its text

ByPosition = Mapping[int, list[Note]]


class NoteSpool:
    """Keeps the notes of one chunk after the other; positions grow from chunk to chunk."""

    def __init__(self, folder: Path) -> None:
        """Write to `folder` what exceeds MEMORY_BYTES."""
        self._folder = folder
        self._memory_left = MEMORY_BYTES
        self._starts: list[int] = []
        self._items: list[ByPosition | Path] = []
        self._last_read: tuple[int, ByPosition] = (-1, {})

    def add(self, first_position: int, notes: Iterable[tuple[int, Note]]) -> None:
        """Keep the notes of a chunk whose first record has this position."""
        by_position: dict[int, list[Note]] = {}
        size = 0
        for position, note in notes:
            by_position.setdefault(position, []).append(note)
            size += len(note.text) + _NOTE_BYTES
        if not by_position:
            return
        self._starts.append(first_position)
        if size <= self._memory_left:
            self._memory_left -= size
            self._items.append(by_position)
            return
        path = self._folder / f"notes-{len(self._items):06d}.pickle"
        with path.open("wb") as file:
            pickle.dump(by_position, file, protocol=pickle.HIGHEST_PROTOCOL)
        self._items.append(path)

    def of(self, position: int) -> ByPosition:
        """Return the notes of the chunk that holds the record at this position, by position."""
        number = bisect_right(self._starts, position) - 1
        if number < 0:
            return {}
        if number != self._last_read[0]:
            self._last_read = (number, self._read(self._items[number]))
        return self._last_read[1]

    def _read(self, item: ByPosition | Path) -> ByPosition:
        if not isinstance(item, Path):
            return item
        with item.open("rb") as file:
            found: ByPosition = pickle.load(file)  # noqa: S301 - written by this very object
        return found
