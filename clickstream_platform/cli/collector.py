"""`clickstream collector`: the HTTP tracking API in front of a Kinesis stream.

Belongs here: putting the collector together, and reading the registry's write keys for it. Does not: the service.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.support import handle_errors
from clickstream_platform.errors import ClickstreamError, ConfigurationError, ObjectNotFoundError

if TYPE_CHECKING:
    from clickstream_platform.collector.ports import KeyHolder
    from clickstream_platform.gateways.clock import Clock
    from clickstream_platform.registry import RegistryService
    from clickstream_platform.registry.client.cached import CachedRegistry
    from clickstream_platform.registry.entities import Snapshot, WriteKey
    from clickstream_platform.settings import Settings

REFRESH_SECONDS = 5.0
_logger = logging.getLogger(__name__)


class RegistryKeys:
    """The registry's write keys in memory, read again every few seconds by a thread of their own.

    Once read they stay in use while the registry is away, each until its own end. Without a single key they count as
    not read: then a client is to come again, where an unknown key would make it give its events up.
    """

    def __init__(self, read_snapshot: Callable[[], Snapshot], refresh_seconds: float = REFRESH_SECONDS) -> None:
        """Take what reads the registry; nothing is read before `start` or `refresh`."""
        self._read_snapshot, self._refresh_seconds = read_snapshot, refresh_seconds
        self._keys: Mapping[str, WriteKey] | None = None
        self._etag = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="write-keys", daemon=True)

    def find(self, key_hash: str, now: datetime) -> KeyHolder | None:
        """Return the holder of a key, None when there is no such valid key."""
        from clickstream_platform.collector.ports import KeyHolder

        key = (self._keys or {}).get(key_hash)
        return KeyHolder(key.customer, key.id) if key is not None and key.is_valid(now) else None

    def is_ready(self) -> bool:
        """Whether there are keys."""
        return bool(self._keys)

    def refresh(self) -> None:
        """Read the keys once; raise ClickstreamError when the registry can't be read."""
        snapshot = self._read_snapshot()
        if snapshot.etag != self._etag or self._keys is None:
            self._keys = {key.hash: key for key in snapshot.write_keys}
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
        registry = open_client(settings, clock, resolve_secret, NoCopies, "collector")
    else:
        registry = open_registry(settings.registry, clock)
    with registry:
        keys = RegistryKeys(registry.snapshot)
        keys.start()
        try:
            yield keys
        finally:
            keys.stop()


@handle_errors
def collector_command(
    kinesis_stream: Annotated[str, typer.Option(help="Name of the Kinesis stream that the events go to.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8080,
    kinesis_endpoint_url: Annotated[str, typer.Option(help="Kinesis endpoint when it is not AWS's own.")] = "",
    region: Annotated[str, typer.Option(help="AWS region of the Kinesis stream; empty: boto3's own choice.")] = "",
    spool_dir: Annotated[str, typer.Option(help="Folder of the spool, its own. Default: <home>/spool.")] = "",
    spool_mb: Annotated[int, typer.Option(min=1, help="What the spool may hold, in MB.")] = 2000,
    events_per_second: Annotated[float, typer.Option(min=0, help="Rate limit of a customer; 0: none.")] = 0.0,
    trusted_proxies: Annotated[str, typer.Option(help="Networks whose X-Forwarded-For is believed.")] = "",
    public_url: Annotated[str, typer.Option(help="Address that SDKs are told to send to.")] = "",
) -> None:
    """Take events over HTTP and put them on Kinesis; 200 means they are safe. Stop with Ctrl-C or SIGTERM."""
    from clickstream_platform.collector.options import DeliveryOptions, HttpOptions, SpoolOptions
    from clickstream_platform.collector.running import run_collector
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.gateways.kinesis_producer import KinesisProducer
    from clickstream_platform.settings import load_settings

    settings, clock, delivery = load_settings(), SystemClock(), DeliveryOptions()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=settings.log_level)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    folder = Path(spool_dir) if spool_dir else settings.home.absolute() / "spool"
    proxies = tuple(part.strip() for part in trusted_proxies.split(",") if part.strip())
    sink = KinesisProducer(
        kinesis_stream, endpoint_url=kinesis_endpoint_url, region=region, max_workers=2 * delivery.senders
    )
    with _listening(host, port) as listener, open_keys(settings, clock) as keys:
        sink.check()
        run_collector(
            listener,
            keys=keys,
            sink=sink,
            clock=clock,
            http=HttpOptions(events_per_second=events_per_second, trusted_proxies=proxies, public_url=public_url),
            delivery=delivery,
            spool=SpoolOptions(folder, max_bytes=spool_mb * 1_000_000),
            announce=lambda: _show_address(listener, kinesis_stream, folder),
        )


def _show_address(listener: socket.socket, kinesis_stream: str, spool: Path) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    text = f"The collector takes events at {address}/v1 for the Kinesis stream {kinesis_stream}; its spool is {spool}."
    Console(stderr=True, highlight=False).print(text, soft_wrap=True)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(
            "starting the collector",
            where=f"{host}:{port}",
            cause=str(error),
            remedy="Choose another --port or --host.",
        ) from error
