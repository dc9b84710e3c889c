"""Objects in memory: the fake shipped beside the port, held to the same contract, that also tells its story.

What belongs here: `MemoryObjectStore`, the record of what was asked of it and the failures a test arranges.
What does not: anything a real deployment uses; its objects are gone with the process.
"""

from __future__ import annotations

import io
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.gateways.object_store import (
    ObjectInfo,
    OneByOne,
    check_key,
    check_prefix,
    check_range,
    content_etag,
    differs,
    not_found,
    source_size,
)
from clickstream_platform.model.shared_ports import Clock


class MemoryObjectStore(OneByOne):
    """Keeps objects in a dictionary; `story` lists every call as (method, key or prefix), in order."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Start empty; the clock gives `modified`."""
        self.story: list[tuple[str, str]] = []
        self._clock = clock or SystemClock()
        self._objects: dict[str, tuple[bytes, ObjectInfo]] = {}
        self._failures: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self._lock = threading.RLock()

    def fail_next(self, method: str, error: Exception) -> None:
        """Make the next call of a method ("put", "get", "list_objects" …) raise an error before it does anything."""
        self._failures[method].append(error)

    def _tell(self, method: str, key: str) -> None:
        self.story.append((method, key))
        if self._failures[method]:
            raise self._failures[method].popleft()

    def _found(self, key: str) -> tuple[bytes, ObjectInfo]:
        check_key(key)
        found = self._objects.get(key)
        if found is None:
            raise not_found(key)
        return found

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        self._tell("get", key)
        return self._found(key)[0]

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """See `ObjectStore.get_range`."""
        self._tell("get_range", key)
        check_range(key, start, end)
        return self._found(key)[0][start:end]

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`."""
        self._tell("open", key)
        return io.BytesIO(self._found(key)[0])

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """See `ObjectStore.put`."""
        self._tell("put", key)
        return self._keep(key, data, if_absent=if_absent)

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """See `ObjectStore.put_file`."""
        self._tell("put_file", key)
        source_size(key, path)
        return self._keep(key, path.read_bytes(), if_absent=False)

    def _keep(self, key: str, data: bytes, *, if_absent: bool) -> ObjectInfo:
        check_key(key)
        with self._lock:
            if if_absent and key in self._objects:
                held, info = self._objects[key]
                if held != data:
                    raise differs(key)
                return info
            info = ObjectInfo(key, len(data), content_etag(data), self._clock.now())
            self._objects[key] = (bytes(data), info)
            return info

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        self._tell("head", key)
        check_key(key)
        found = self._objects.get(key)
        return found[1] if found else None

    def list_objects(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """See `ObjectStore.list_objects`."""
        self._tell("list_objects", prefix)
        check_prefix(prefix)
        with self._lock:
            found = [info for key, (_, info) in self._objects.items() if key.startswith(prefix) and key > after]
        return iter(sorted(found, key=lambda info: info.key))

    def list_prefixes(self, prefix: str) -> Iterator[str]:
        """See `ObjectStore.list_prefixes`."""
        self._tell("list_prefixes", prefix)
        check_prefix(prefix)
        with self._lock:
            rests = [key.removeprefix(prefix) for key in self._objects if key.startswith(prefix)]
        return iter(sorted({f"{prefix}{rest.partition('/')[0]}/" for rest in rests if "/" in rest}))

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        self._tell("delete", key)
        check_key(key)
        with self._lock:
            self._objects.pop(key, None)

    def url(self, key: str) -> str:
        """Return `memory://` and the key: a name for messages, which nothing else can read."""
        check_key(key)
        return f"memory://{key}"
