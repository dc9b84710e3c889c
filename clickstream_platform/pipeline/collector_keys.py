"""The registry's write keys, kept in memory for a collector that asks for one with each request.

Belongs here: reading the snapshot again and again, finding a key. Does not: the collector, which knows no registry.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from clickstream_platform.collector.ports import KeyHolder
from clickstream_platform.errors import ClickstreamError, ObjectNotFoundError

if TYPE_CHECKING:
    from clickstream_platform.model.shared_ports import Clock
    from clickstream_platform.registry import RegistryService
    from clickstream_platform.registry.client.cached import CachedRegistry
    from clickstream_platform.registry.entities import Snapshot, WriteKey
    from clickstream_platform.settings import Settings

REFRESH_SECONDS = 5.0
COMPONENT = "collector"
_logger = logging.getLogger(__name__)


class RegistryKeys:
    """The registry's write keys in memory, read again every few seconds by a thread of their own.

    Once read they stay in use while the registry is away, each until its own end. Without a single key they count as
    not read: then a client is to come again, where an unknown key would make it give its events up.
    """

    def __init__(self, read_snapshot: Callable[[], Snapshot], refresh_seconds: float = REFRESH_SECONDS) -> None:
        """Take what reads the registry; nothing is read before `start` or `refresh`."""
        self._read_snapshot, self._refresh_seconds = read_snapshot, refresh_seconds
        self._keys: Mapping[str, tuple[WriteKey, KeyHolder]] | None = None
        self._etag = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="write-keys", daemon=True)

    def find(self, key_hash: str, now: datetime) -> KeyHolder | None:
        """Return the holder of a key, None when there is no such valid key."""
        key, holder = (self._keys or {}).get(key_hash, (None, None))
        return holder if key is not None and key.is_valid(now) else None

    def is_ready(self) -> bool:
        """Whether there are keys."""
        return bool(self._keys)

    def refresh(self) -> None:
        """Read the keys once; raise ClickstreamError when the registry can't be read."""
        snapshot = self._read_snapshot()
        if snapshot.etag != self._etag or self._keys is None:
            limits = {each.slug: each.policy.events_per_second for each in snapshot.customers}
            self._keys = {
                key.hash: (key, KeyHolder(key.customer, key.id, limits.get(key.customer)))
                for key in snapshot.write_keys
            }
            self._etag = snapshot.etag

    def start(self) -> None:
        """Begin to read, at once and then every few seconds."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading."""
        self._stopped.set()
        self._thread.join(timeout=self._refresh_seconds)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.refresh()
            except ClickstreamError as error:
                _logger.warning("The write keys are not read: %s", error)
            except Exception:  # whatever it is, the next time may be better; without this thread no key would ever end
                _logger.exception("The write keys are not read")
            self._stopped.wait(self._refresh_seconds)


class NoCopies:
    """Stands for the copy of the registry's snapshot in the object store, which has no keys and must never get them."""

    def get(self, key: str) -> bytes:
        """Raise ObjectNotFoundError."""
        raise ObjectNotFoundError("reading an object", where=key, cause="there is no copy", remedy="Ask the registry.")

    def get_range(self, key: str, start: int, end: int) -> bytes:  # noqa: ARG002 - the port's form
        """Raise ObjectNotFoundError."""
        return self.get(key)

    def put(self, key: str, data: bytes) -> object:  # noqa: ARG002 - the port's form
        """Keep nothing."""
        return None


@contextmanager
def open_keys(settings: Settings, clock: Clock) -> Iterator[RegistryKeys]:
    """Read the write keys from the registry's API where one is set, else from its database, until the block ends.

    The API gives them to a token of scope `collector` only.
    """
    from clickstream_platform.gateways.secrets import resolve_secret
    from clickstream_platform.registry import open_registry
    from clickstream_platform.registry.client.opening import open_client

    registry: CachedRegistry | RegistryService
    if settings.registry_api_url:
        registry = open_client(settings, clock, resolve_secret, NoCopies, COMPONENT)
    else:
        registry = open_registry(settings.registry, clock)
    with registry:
        keys = RegistryKeys(registry.snapshot)
        keys.start()
        try:
            yield keys
        finally:
            keys.stop()
