"""Announcements that wait for the registry: one small file each, in the order in which they were made.

Several processes may write and deliver; one delivers at a time. An announcement that was delivered twice (the process
died in between, or the answer to the first delivery got lost) counts its records twice, which is why the registry's
counts are advisory; nothing else of it can be told from one delivery. Belongs here: the files and their order. Does
not: sending (`api`), when to send (`cached`).
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from clickstream_platform.registry.client.files import make_folder, write_private
from clickstream_platform.registry.sightings import Samples, Seen

FOLDER = "outbox"
MAX_WAITING = 10_000
"""Announcements that may wait: 500 customer-hours in each of 20 hours without a registry."""
MAX_WAITING_OF_KNOWN = MAX_WAITING // 2
"""Announcements without a new event may take this part only: they move counters, a new event is worth more."""
MAX_BYTES = 256 * 1024
"""An announcement that would be longer leaves its samples out."""
_SUFFIX, _LOCK = ".json", ".lock"
_logger = logging.getLogger(__name__)
_numbers = count()


@dataclass(frozen=True, slots=True)
class Announcement:
    """What arrived in one customer-hour."""

    customer: str
    hour: str
    seen: Seen
    samples: Samples = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    """Events that were decided here, and not loaded."""

    def to_json(self) -> bytes:
        """Return the written form."""
        samples = {slug: dict(sample) for slug, sample in self.samples.items()}
        document: dict[str, Any] = {"customer": self.customer, "hour": self.hour, "seen": dict(self.seen)}
        document |= {"samples": samples, "skipped": list(self.skipped)}
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Announcement:
        """Read the written form; raise ValueError for anything else."""
        try:
            document: Mapping[str, Any] = json.loads(data)
            seen = {str(slug): (str(name), int(records)) for slug, (name, records) in document["seen"].items()}
            samples = {str(slug): dict(sample) for slug, sample in document["samples"].items()}
            skipped = tuple(str(slug) for slug in document.get("skipped", ()))
            return cls(str(document["customer"]), str(document["hour"]), seen, samples, skipped)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"it is no announcement ({type(error).__name__}: {error})") from error


class Outbox:
    """A folder of announcements; None keeps nothing. A disk that refuses is a warning, never an error."""

    def __init__(self, folder: Path | None) -> None:
        """Use `<folder>/outbox`, made at the first announcement."""
        self._folder = None if folder is None else folder / FOLDER

    def waiting(self) -> list[str]:
        """Return the names of all announcements, the oldest first."""
        if self._folder is None:
            return []
        try:
            return sorted(path.name for path in self._folder.iterdir() if path.suffix == _SUFFIX)
        except OSError:
            return []

    def put(self, announcement: Announcement, now: datetime, *, has_new_events: bool) -> bool:
        """Keep an announcement until it is delivered; False, with a warning, when there is no room for it."""
        limit = MAX_WAITING if has_new_events else MAX_WAITING_OF_KNOWN
        where = f"{announcement.customer} {announcement.hour}"
        if self._folder is None or not make_folder(self._folder):
            _logger.warning("What arrived in %s is not announced: no folder can be written for it", where)
            return False
        if (waiting := len(self.waiting())) >= limit:
            _logger.warning("What arrived in %s is not announced: %d announcements wait already", where, waiting)
            return False
        data = announcement.to_json()
        if len(data) > MAX_BYTES:
            data = replace(announcement, samples={}).to_json()
        # The moment gives the order among processes, the number that within this one.
        name = f"{now:%Y%m%dT%H%M%S.%f}-{next(_numbers):09d}-{secrets.token_hex(4)}{_SUFFIX}"
        try:
            write_private(self._folder / name, data, durable=True)
        except OSError as error:
            _logger.warning("What arrived in %s is not announced: %s", where, error)
            return False
        return True

    def deliver(self, send: Callable[[Announcement], None], may_go_on: Callable[[], bool]) -> int:
        """Send announcements in their order while `may_go_on`, deleting each when it was sent; return how many were.

        Does nothing while another process delivers. What `send` raises ends it, with that announcement still there.
        """
        sent, folder = 0, self._folder
        if folder is None or not self.waiting():
            return sent
        with _turn(folder) as is_ours:
            for name in self.waiting() if is_ours else ():
                if not may_go_on():
                    break
                sent += _deliver_one(folder / name, send)
        return sent


def _deliver_one(path: Path, send: Callable[[Announcement], None]) -> int:
    try:
        announcement = Announcement.from_json(path.read_bytes())
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        _logger.warning("An announcement that waited can't be read and is dropped, %s: %s", path, error)
        _delete(path)
        return 0
    send(announcement)
    _delete(path)
    return 1


@contextmanager
def _turn(folder: Path) -> Iterator[bool]:
    """Tell whether it is this process's turn to deliver; it ends with the block, or with the process."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield False
        return
    try:
        yield _is_locked(descriptor)
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _logger.warning("An announcement stays and will be made again: %s", error)
