"""Stops a worker at any step that outlives it, before or after the step took effect, as SIGKILL would.

What belongs here: the wrappers around an object store and a lease table, and checking that no name ever gets two
contents. What does not: what is expected after the crash.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import Any

from clickstream_platform.model.object_keys import RAW_PREFIX


class Crashed(BaseException):
    """The process is gone; nothing catches it."""


class Crashes:
    """Counts steps and stops at one of them; the numbers are even before a step and odd behind it."""

    def __init__(self) -> None:
        """Stop nowhere until told to."""
        self.steps, self.at = 0, -1

    def point(self) -> None:
        """Pass a point at which the process may die."""
        self.steps += 1
        if self.steps - 1 == self.at:
            raise Crashed

    def do(self, work: Any, *args: Any, **options: Any) -> Any:
        """Do one step that has an effect."""
        self.point()
        result = work(*args, **options)
        self.point()
        return result


class CrashingStore:
    """An object store whose every put may be the last."""

    def __init__(self, inner: Any, crashes: Crashes) -> None:
        """Write into another store."""
        self.inner, self._crashes = inner, crashes
        self.contents: dict[str, bytes] = {}

    def put(self, key: str, data: bytes, **options: Any) -> Any:
        self._remember(key, data)
        return self._crashes.do(self.inner.put, key, data, **options)

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> list[Any]:
        return [self.put(key, data) for key, data in items]

    def put_file(self, key: str, path: Any) -> Any:
        self._remember(key, path.read_bytes())
        return self._crashes.do(self.inner.put_file, key, path)

    def _remember(self, key: str, data: bytes) -> None:
        if key.startswith(RAW_PREFIX):
            text = gzip.decompress(data)
            assert self.contents.setdefault(key, text) == text, f"two contents for {key}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class CrashingTable:
    """A lease table whose every change may be the last."""

    def __init__(self, inner: Any, crashes: Crashes) -> None:
        """Change another table."""
        self.inner, self._crashes = inner, crashes

    def change(self, *args: Any) -> Any:
        return self._crashes.do(self.inner.change, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)
