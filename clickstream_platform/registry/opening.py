"""Opening the registry from a database URL.

Belongs here: putting store, migrations and service together. Does not: where the URL comes from (`settings`).
"""

from __future__ import annotations

from clickstream_platform.registry.migrating import migrate
from clickstream_platform.registry.service import Clock, RegistryService
from clickstream_platform.registry.store import Store


def open_registry(url: str, clock: Clock) -> RegistryService:
    """Open the registry at a SQLAlchemy URL, creating or migrating its database; several processes may do so at once.

    Close it after use (`close`, or a `with` block). Raises ConfigurationError for a URL that cannot be used,
    RegistryUnavailableError when the database does not answer.
    """
    store = Store(url)
    try:
        migrate(store)
    except BaseException:
        store.close()
        raise
    return RegistryService(store, clock)
