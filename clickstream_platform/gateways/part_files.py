"""Staged Parquet parts as local files, for a warehouse that reads only those.

Belongs here: finding a part's file, or fetching the part into one. Does not: which parts a load reads (`load`).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from clickstream_platform.gateways.object_store import ObjectStore

_FILE = "file://"
COPY_BYTES = 1 << 20


class Part(Protocol):
    """A staged part, as far as finding it goes."""

    @property
    def key(self) -> str:
        """Its object key."""
        ...


class PartFiles:
    """Gives the local path of parts: that of the object in a local folder, else a copy that lives until the end."""

    def __init__(self, objects: ObjectStore, work_dir: str | None = None) -> None:
        """Fetch from `objects` into a new folder below `work_dir` (default: the system's), made when it is needed."""
        self._objects, self._work_dir = objects, work_dir
        self._folder: Path | None = None
        self._fetched: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __call__(self, part: Part) -> str:
        """Return the path of a part; raise ObjectNotFoundError when it is gone."""
        url = self._objects.url(part.key)
        if url.startswith(_FILE):
            return url.removeprefix(_FILE)
        if part.key not in self._fetched:
            self._fetched[part.key] = str(self._fetch(part.key))
        return self._fetched[part.key]

    def _fetch(self, key: str) -> Path:
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="clickstream-parts-", dir=self._work_dir))
        path = self._folder / f"{len(self._fetched)}.parquet"
        with self._objects.open(key) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, COPY_BYTES)
        return path
