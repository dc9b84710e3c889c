"""Listings of a local folder in the order of object keys.

What belongs here: walking folders, and what a file's status says about an object. What does not: writing
(`local_objects`), names (`local_names`).

A folder counts as its name with a `/` at the end, in the order too: so `a-b` comes before `a/b`, as in S3.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clickstream_platform.gateways.local_errors import local_errors
from clickstream_platform.gateways.local_names import segment_of
from clickstream_platform.gateways.object_store import ObjectInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def info_of(key: str, status: os.stat_result) -> ObjectInfo:
    """Return what a file's status says about its object; see `local_objects` about the etag."""
    modified = EPOCH + timedelta(microseconds=status.st_mtime_ns // 1_000)
    return ObjectInfo(key, status.st_size, f"{status.st_size:x}-{status.st_mtime_ns:x}", modified)


def walk(folder: Path, at: str, prefix: str, after: str) -> Iterator[ObjectInfo]:
    """Yield the objects below a folder, whose keys begin with at, that begin with prefix and come after `after`."""
    for key, entry in _entries(folder, at):
        if entry.is_dir():
            is_wanted = key.startswith(prefix) or prefix.startswith(key)
            if is_wanted and (key > after or after.startswith(key)):  # else all its keys come before `after`
                yield from walk(Path(entry.path), key, prefix, after)
        elif key.startswith(prefix) and key > after and (info := _entry_info(key, entry)):
            yield info


def folders(folder: Path, at: str, prefix: str) -> Iterator[str]:
    """Yield the keys, each with its `/`, of a folder's folders that begin with prefix and hold an object."""
    for key, entry in _entries(folder, at):
        if key.startswith(prefix) and entry.is_dir() and _holds_object(Path(entry.path)):
            yield key


def _entry_info(key: str, entry: os.DirEntry[str]) -> ObjectInfo | None:
    with local_errors("list", key):
        try:
            return info_of(key, entry.stat()) if entry.is_file() else None
        except FileNotFoundError:  # deleted since its folder was read
            return None


def _entries(folder: Path, at: str) -> list[tuple[str, os.DirEntry[str]]]:
    """Return a folder's entries with their keys, in key order; none when there is no such folder."""
    with local_errors("list", at):
        try:
            with os.scandir(folder) as found:
                keyed = [(_key(at, entry), entry) for entry in found]
        except (FileNotFoundError, NotADirectoryError):
            return []
    return sorted(((key, entry) for key, entry in keyed if key), key=lambda pair: pair[0])


def _key(at: str, entry: os.DirEntry[str]) -> str:
    segment = segment_of(entry.name)
    if segment is None or (entry.is_dir() and not segment):
        return ""
    return f"{at}{segment}/" if entry.is_dir() else f"{at}{segment}"


def _holds_object(folder: Path) -> bool:
    """Tell whether there is any object below; stops at the first, so it is cheap however many there are."""
    waiting = [folder]
    while waiting:
        with local_errors("list", str(folder)):
            try:
                with os.scandir(waiting.pop()) as entries:
                    for entry in entries:
                        if segment_of(entry.name) is not None and entry.is_file():
                            return True
                        if entry.is_dir():
                            waiting.append(Path(entry.path))
            except FileNotFoundError:  # deleted since its parent was read
                continue
    return False
