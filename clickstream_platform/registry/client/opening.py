"""Opening a client of the registry's API from the settings.

Belongs here: putting the parts together. Does not: deciding between the API and the database (`wiring`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.registry.client.api import HttpRegistry
from clickstream_platform.registry.client.cache import SnapshotCache
from clickstream_platform.registry.client.cached import CachedRegistry
from clickstream_platform.registry.client.copies import CopyStore, SharedCopy
from clickstream_platform.registry.client.files import find_folder
from clickstream_platform.registry.client.outbox import Outbox
from clickstream_platform.registry.client.transport import Transport
from clickstream_platform.settings import Settings


def open_client(
    settings: Settings,
    clock: Clock,
    resolve_secret: Callable[[str], str],
    open_store: Callable[[], CopyStore],
    component: str,
) -> CachedRegistry:
    """Open the registry at `settings.registry_api_url` for a component; nothing is asked before its first use.

    Processes with one home and one component share a snapshot on disk. Raises ConfigurationError for a URL that can't
    be used, or when no token is named.
    """
    if not settings.registry_token_reference:
        raise ConfigurationError(
            "opening the registry's API",
            cause="CLICKSTREAM_REGISTRY_TOKEN_REFERENCE is not set, and it takes nobody without a token",
            remedy="Set it to where a token of scope loader is kept, such as file:/run/secrets/registry-token.",
        )
    read_token = partial(resolve_secret, settings.registry_token_reference)
    timeout_seconds = settings.registry_timeout_seconds
    transport = Transport(settings.registry_api_url, read_token, timeout_seconds=timeout_seconds)
    folder = find_folder(settings)
    return CachedRegistry(
        HttpRegistry(transport), SnapshotCache(folder, component), SharedCopy(open_store), Outbox(folder), clock
    )
