"""The copy of the snapshot in the object store, for processes whose own disk has none: run pods, new machines.

Whoever learns of a new state puts it there, and again every ten minutes, so that the copy tells its age to within that.
Belongs here: reading and writing the copy. Does not: its form (`kept`), when it is used (`cached`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from clickstream_platform.errors import ClickstreamError, ObjectNotFoundError
from clickstream_platform.model.object_keys import REGISTRY_SNAPSHOT_KEY
from clickstream_platform.registry.client.kept import HEADER_BYTES, Header, KeptSnapshot, read_header

SHARE_AGAIN_AFTER = timedelta(minutes=10)
_logger = logging.getLogger(__name__)


class CopyStore(Protocol):
    """What is asked of the object store."""

    def get(self, key: str) -> bytes:
        """Return the whole object; raise ObjectNotFoundError when there is none."""
        ...

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Return the bytes from start up to, but without, end."""
        ...

    def put(self, key: str, data: bytes) -> object:
        """Write an object at once."""
        ...


class SharedCopy:
    """The one copy; a store that is away is a warning."""

    def __init__(self, open_store: Callable[[], CopyStore]) -> None:
        """Open the store at the first use."""
        self._open_store = open_store

    def load(self) -> KeptSnapshot | None:
        """Return the copy; None when there is none that can be read."""
        try:
            return KeptSnapshot.from_bytes(self._open_store().get(REGISTRY_SNAPSHOT_KEY))
        except ObjectNotFoundError:
            return None
        except ClickstreamError as error:
            _logger.warning("The copy of the registry's snapshot in the object store is not used: %s", error)
            return None

    def header(self) -> Header | None:
        """Return the copy's header; None as in `load`."""
        try:
            return read_header(self._open_store().get_range(REGISTRY_SNAPSHOT_KEY, 0, HEADER_BYTES))
        except ObjectNotFoundError:
            return None
        except ClickstreamError as error:
            _logger.warning("The copy of the registry's snapshot in the object store is not used: %s", error)
            return None

    def share(self, kept: KeptSnapshot) -> datetime | None:
        """Make the copy this snapshot unless it is already, or a later one; return when it was, None for a failure."""
        now = kept.header.confirmed_at
        if kept.header.shared_at is not None and now - kept.header.shared_at < SHARE_AGAIN_AFTER:
            return kept.header.shared_at
        held = self.header()
        if held is not None and held.tag != kept.header.tag and held.confirmed_at > now:
            return None  # another machine's state, later by its clock; this one is offered again
        if held is not None and (held.confirmed_at > now or _is_fresh(held, kept.header)):
            return held.confirmed_at
        try:
            self._open_store().put(REGISTRY_SNAPSHOT_KEY, kept.to_bytes())
        except ClickstreamError as error:
            _logger.warning("The registry's snapshot can't be copied to the object store: %s", error)
            return None
        return now


def _is_fresh(held: Header, current: Header) -> bool:
    return held.tag == current.tag and current.confirmed_at - held.confirmed_at < SHARE_AGAIN_AFTER
