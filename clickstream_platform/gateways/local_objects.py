"""Objects as files in a local folder: the embedded default, with the same promises as S3.

What belongs here: `LocalObjectStore` and its atomic writes. What does not: how segments become file names
(`local_names`), listings (`local_listing`), what errors mean (`local_errors`).

The etag is size and modification time in nanoseconds, in hex, not a hash of the content: a listing must not read every
object. Two rules make it as good as one. Putting the bytes an object already has leaves its file untouched, so the etag
stays; and a new version always gets a later time than the one it replaces, so the etag changes even when the size and
the tick of the file system's clock do not. Copy a folder with its times (`cp -a`, `rsync -a`), or all counts as new.

The file system must keep times to the microsecond and know hard links (for write-once objects), and should tell apart
upper and lower case, as every usual Linux file system does.
"""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from clickstream_platform.errors import ConfigurationError, ObjectStoreUnavailableError
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.gateways.local_errors import local_errors
from clickstream_platform.gateways.local_listing import EPOCH, folders, info_of, walk
from clickstream_platform.gateways.local_names import file_name, temporary_name
from clickstream_platform.gateways.object_store import (
    ObjectInfo,
    OneByOne,
    check_key,
    check_prefix,
    check_range,
    differs,
    source_size,
)
from clickstream_platform.model.shared_ports import Clock

COPY_BYTES = 1 << 20
_PUBLISH_ATTEMPTS = 100  # a concurrent delete may take the folder away between making it and using it
_PAUSE_SECONDS = 0.0005  # times the number of attempts so far: whoever takes the folder away gets out of step


class LocalObjectStore(OneByOne):
    """Keeps each object in a file of the same relative path under one folder."""

    def __init__(self, root: Path, *, durable: bool = True, clock: Clock | None = None) -> None:
        """Use a folder, made on the first put; durable waits for the disk at each put; the clock gives `modified`."""
        self._root = root.expanduser().absolute()
        self._durable = durable
        self._clock = clock or SystemClock()
        if self._root.exists() and not self._root.is_dir():
            failed = f"cannot keep objects in {self._root}"
            raise ConfigurationError(failed, cause="it is not a folder", remedy="Name a folder, or a new path.")

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        with local_errors("read", key):
            return self._path(key).read_bytes()

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """See `ObjectStore.get_range`."""
        check_range(key, start, end)
        with local_errors("read", key), self._path(key).open("rb") as source:
            source.seek(start)
            return source.read(max(0, end - start))

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`; the stream keeps reading the file it opened even after a new one took its place."""
        with local_errors("read", key):
            return self._path(key).open("rb", buffering=COPY_BYTES)

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """See `ObjectStore.put`."""
        return self._store(key, io.BytesIO(data), if_absent=if_absent)

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """See `ObjectStore.put_file`."""
        source_size(key, path)
        with local_errors("put", key), path.open("rb") as source:
            return self._store(key, source, if_absent=False)

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        with local_errors("look up", key):
            try:
                status = self._path(key).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return info_of(key, status) if S_ISREG(status.st_mode) else None

    def list_objects(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """See `ObjectStore.list_objects`; one folder's names are held at a time."""
        check_prefix(prefix)
        folder, at = self._folder(prefix)
        return walk(folder, at, prefix, after)

    def list_prefixes(self, prefix: str) -> Iterator[str]:
        """See `ObjectStore.list_prefixes`; a folder that holds no object is no prefix."""
        check_prefix(prefix)
        folder, at = self._folder(prefix)
        return folders(folder, at, prefix)

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`; folders left empty go too, since S3 has none."""
        path = self._path(key)
        with local_errors("delete", key):
            try:
                path.unlink(missing_ok=True)
            except (IsADirectoryError, NotADirectoryError):
                return
        for folder in path.parents:
            if folder == self._root:
                return
            try:
                folder.rmdir()
            except OSError:  # not empty, or another delete was first
                return

    def url(self, key: str) -> str:
        """See `ObjectStore.url`."""
        return f"file://{self._path(key)}"

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root.joinpath(*map(file_name, key.split("/")))

    def _folder(self, prefix: str) -> tuple[Path, str]:
        """Return the folder that a prefix ends in, and the beginning of the keys in it."""
        at = prefix[: prefix.rfind("/") + 1]
        return self._root.joinpath(*map(file_name, at.split("/")[:-1])), at

    def _store(self, key: str, source: BinaryIO, *, if_absent: bool) -> ObjectInfo:
        path = self._path(key)
        with local_errors("put", key):
            for attempt in range(_PUBLISH_ATTEMPTS):
                try:
                    is_same = _is_same(path, source)
                    if is_same:
                        return info_of(key, path.stat())
                    if if_absent and is_same is not None:
                        raise differs(key)
                    return self._publish(key, path, source, if_absent=if_absent)
                except (FileNotFoundError, FileExistsError):  # another writer was faster, or a delete took the folder
                    if path.parent.exists() and not path.parent.is_dir():
                        raise
                    time.sleep(attempt * _PAUSE_SECONDS)
        raise ObjectStoreUnavailableError(
            f"cannot put object {key!r}", cause="other writers change its folder all the time", remedy="Try again."
        )

    def _publish(self, key: str, path: Path, source: BinaryIO, *, if_absent: bool) -> ObjectInfo:
        self._make_folder(path.parent)
        temporary = path.with_name(temporary_name())
        try:
            with temporary.open("xb") as target:
                source.seek(0)
                shutil.copyfileobj(source, target, COPY_BYTES)
                target.flush()
                _set_time(target, self._clock.now(), path)
                if self._durable:
                    os.fsync(target.fileno())
                info = info_of(key, os.fstat(target.fileno()))
            if if_absent:
                path.hardlink_to(temporary)  # unlike a rename, a link never replaces what is there
            else:
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        if self._durable:
            _sync_folder(path.parent)
        return info

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        new = [folder, *(parent for parent in folder.parents if not parent.exists())]
        folder.mkdir(parents=True, exist_ok=True)
        if self._durable:
            for made in new:
                _sync_folder(made.parent)


def _is_same(path: Path, source: BinaryIO) -> bool | None:
    """Tell whether a file holds the same bytes; None when there is no file."""
    size = source.seek(0, io.SEEK_END)
    try:
        with path.open("rb") as held:
            if os.fstat(held.fileno()).st_size != size:
                return False
            source.seek(0)
            while chunk := source.read(COPY_BYTES):
                if held.read(len(chunk)) != chunk:
                    return False
            return True
    except FileNotFoundError:
        return None


def _set_time(target: BinaryIO, now: datetime, replaced: Path) -> None:
    """Stamp the file with the clock's time, or just after the version it replaces when that is later."""
    moment = (now - EPOCH) // timedelta(microseconds=1) * 1_000
    if replaced.exists():
        moment = max(moment, replaced.stat().st_mtime_ns + 1)
    os.utime(target.fileno(), ns=(moment, moment))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
