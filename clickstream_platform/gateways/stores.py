"""From the address in a setting to an object store: the one place that chooses.

What belongs here: `open_object_store`. What does not: settings (`settings`), the stores.
"""

from __future__ import annotations

from pathlib import Path

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.local_objects import LocalObjectStore
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.gateways.object_store import DEFAULT_MAX_WORKERS, ObjectStore
from clickstream_platform.model.shared_ports import Clock


def open_object_store(
    url: str,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    max_workers: int = DEFAULT_MAX_WORKERS,
    durable: bool = True,
    clock: Clock | None = None,
) -> ObjectStore:
    """Open `s3://bucket/prefix`, `file:///folder`, a plain path, or `memory://` (a new, empty store each time).

    The first three options are for S3, durable and clock for the others; a store ignores what is not for it. Addresses
    are literal, as `ObjectStore.url` gives them: `%20` is no space. Raises ConfigurationError for any other address.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "file", url
    bucket, _, prefix = rest.partition("/")
    match scheme:
        case "s3" if bucket:
            # Imported only here: boto3 takes a third of a second, which a command on a local folder need not wait for.
            from clickstream_platform.gateways.s3_objects import S3ObjectStore

            return S3ObjectStore(bucket, prefix, endpoint_url=endpoint_url, region=region, max_workers=max_workers)
        case "file" if rest and (rest.startswith("/") or not separator):
            return LocalObjectStore(Path(rest), durable=durable, clock=clock)
        case "memory" if not rest:
            return MemoryObjectStore(clock)
    raise ConfigurationError(
        f"cannot open the object store {url!r}",
        cause="it is no address of a store",
        remedy="Use s3://bucket/prefix, file:///folder, a path, or memory://.",
    )
