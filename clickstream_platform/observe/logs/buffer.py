"""The bounded buffer on disk between who logs and the index: folders of numbered files of JSON lines.

    <root>/<service>-<host>-<pid>-<random>/00000001.ndjson   one folder for each process, its newest file still grows
                                          /owner             locked as long as the process lives

A line's id is folder, file and offset, so whoever sends it, and however often, it is one line in the index. Folders
whose owner has died are adopted by any long-lived process on the same root. When all folders together are larger than
the bound, the oldest file goes, and its lines are counted. Lines are written without waiting for the disk: they outlive
the process, not the machine. Belongs here: files. Does not: when to write and send (`shipping`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import IO

from clickstream_platform.observe.logs.ports import LogLine

_SUFFIX, _OWNER, _NEW = ".ndjson", "owner", ".new-"
MAX_FILES_IN_BOUND = 16
"""The bound is cut into so many files at least, so that little goes at once."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of one file in their order; `end` is the offset behind them."""

    lines: tuple[LogLine, ...]
    file: Path
    end: int


class LogFolder:
    """The folder of one process; locked while this object is open. Threads may share it."""

    def __init__(self, path: Path, lock: IO[bytes]) -> None:
        """Go on with a folder that this process holds the lock of; see `create` and `adopt`."""
        self.path, self._lock_file = path, lock
        self._mutex = threading.Lock()
        self._number = max((int(file.stem) for file in _files(path)), default=0)
        self._writing: IO[bytes] | None = None
        self._sent: dict[Path, int] = {}

    @classmethod
    def create(cls, root: Path, name: str) -> LogFolder:
        """Make a folder of a new process; raises OSError where that is not possible."""
        root.mkdir(parents=True, exist_ok=True)
        own = f"{name}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        fresh = root / f"{_NEW}{own}"
        fresh.mkdir(mode=0o700)
        lock = _locked(fresh / _OWNER)
        if lock is None:
            raise BlockingIOError(f"{fresh} is locked by somebody else")
        # Named only now: nobody may take it for the folder of a process that died.
        return cls(fresh.rename(root / own), lock)

    @classmethod
    def adopt(cls, path: Path) -> LogFolder | None:
        """Take over the folder of a process that died; None while it lives, or when another was quicker."""
        try:
            lock = _locked(path / _OWNER, create=False)
        except OSError:
            return None
        return None if lock is None else cls(path, lock)

    def append(self, lines: Sequence[bytes], max_file_bytes: int) -> None:
        """Write lines to the newest file, or to a new one when that is full; raises OSError."""
        with self._mutex:
            if self._writing is not None and (self._writing.tell() >= max_file_bytes or _is_gone(self._writing)):
                self._close_file()
            if self._writing is None:
                self._number += 1
                self._writing = (self.path / f"{self._number:08}{_SUFFIX}").open("ab", buffering=0)
            try:
                _write(self._writing, b"".join(line + b"\n" for line in lines))
            except OSError:
                self._close_file()
                raise

    def next_batch(self, max_lines: int, max_bytes: int) -> Batch | None:
        """Return the oldest lines that are not marked as sent; None when there are none."""
        for file in _files(self.path):
            start = self._sent.get(file, 0)
            batch = _read(file, start, max_lines, max_bytes)
            if batch is not None:
                return batch
            self._finish(file)
        return None

    def mark_sent(self, batch: Batch) -> None:
        """Note that the index has the lines of a batch, and remove its file once it has all of them."""
        self._sent[batch.file] = batch.end
        self._finish(batch.file)

    @property
    def is_empty(self) -> bool:
        """Whether everything is sent, or so it seems without reading."""
        with suppress(OSError):
            return all(file.stat().st_size <= self._sent.get(file, 0) for file in _files(self.path))
        return False

    def count_lines(self) -> int:
        """Return the number of lines that are not sent."""
        return sum(_count(file, self._sent.get(file, 0)) for file in _files(self.path))

    def close(self) -> int:
        """Give the folder up; return how many lines are left in it, and remove it when there are none."""
        if self._lock_file.closed:
            return 0
        with self._mutex:
            self._close_file()
        left = self.count_lines()
        if left == 0:
            shutil.rmtree(self.path, ignore_errors=True)
        self._lock_file.close()
        return left

    def _finish(self, file: Path) -> None:
        """Remove a file of which everything is sent; the one that grows, if it has grown."""
        with self._mutex, suppress(OSError):
            if file.exists() and file.stat().st_size > self._sent.get(file, 0):
                return
            if self._writing is not None and file.name == Path(self._writing.name).name:
                self._close_file()
            self._sent.pop(file, None)
            file.unlink(missing_ok=True)

    def _close_file(self) -> None:
        if self._writing is not None:
            self._writing.close()
            self._writing = None


def adoptable(root: Path, own: Path) -> Iterator[Path]:
    """Yield the other folders below a root, oldest first; whether their owners live shows when adopting."""
    with suppress(OSError):
        for path in sorted(root.iterdir(), key=_age):
            if path.is_dir() and path != own and not path.name.startswith(_NEW):
                yield path


def keep_within(root: Path, max_bytes: int) -> int:
    """Remove the oldest files below a root until the others fit the bound; return how many lines went with them.

    A file that another process still writes to may be among them; that process sees it and begins a new one.
    """
    files = [file for _, file in sorted(_aged(root), key=itemgetter(0))]
    total, lost = size_of(root), 0
    for file in files[:-1]:
        if total <= max_bytes:
            break
        with suppress(OSError):
            size, lines = file.stat().st_size, _count(file, 0)
            file.unlink()
            total, lost = total - size, lost + lines
    return lost


def _aged(root: Path) -> Iterator[tuple[float, Path]]:
    """Yield files with their ages; of one folder none is older than the one before, whatever a clock did meanwhile."""
    for folder in _folders(root):
        age = 0.0
        for file in _files(folder):
            age = max(age, _age(file))
            yield age, file


def size_of(root: Path) -> int:
    """Return the bytes of all lines below a root."""
    total = 0
    for folder in _folders(root):
        for file in _files(folder):
            with suppress(OSError):
                total += file.stat().st_size
    return total


def _write(file: IO[bytes], data: bytes) -> None:
    """Write all of it or nothing: half a line would spoil the next one."""
    whole, written = file.tell(), 0
    try:
        while written < len(data):
            written += file.write(data[written:])
    except OSError:
        with suppress(OSError):
            file.truncate(whole)
        raise


def _is_gone(file: IO[bytes]) -> bool:
    return os.fstat(file.fileno()).st_nlink == 0


def _folders(root: Path) -> list[Path]:
    try:
        return [path for path in root.iterdir() if path.is_dir()]
    except OSError:
        return []


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX and path.stem.isdigit())
    except OSError:
        return []


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _locked(path: Path, *, create: bool = True) -> IO[bytes] | None:
    """Open and lock a file; None when somebody else has the lock."""
    file = path.open("ab" if create else "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError:
        file.close()
        raise
    return file


def _read(file: Path, start: int, max_lines: int, max_bytes: int) -> Batch | None:
    """Read whole lines from an offset; None when there are none, or the file is gone."""
    lines: list[LogLine] = []
    offset = start
    try:
        with file.open("rb") as opened:
            opened.seek(start)
            for line in opened:
                if not line.endswith(b"\n") or len(lines) >= max_lines:
                    break
                if lines and offset + len(line) - start > max_bytes:
                    break
                # A process that was killed leaves a line of nothing, a machine one of zeros; the index would refuse it.
                if len(line) > 1 and b"\0" not in line:
                    lines.append(LogLine(f"{file.parent.name}-{file.stem}-{offset}", line[:-1]))
                offset += len(line)
    except OSError:
        return None
    return Batch(tuple(lines), file, offset) if lines else None


def _count(file: Path, start: int) -> int:
    try:
        with file.open("rb") as opened:
            opened.seek(start)
            return sum(chunk.count(b"\n") for chunk in iter(lambda: opened.read(1 << 20), b""))
    except OSError:
        return 0
