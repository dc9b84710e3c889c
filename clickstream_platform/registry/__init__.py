"""The registry: the single source of truth for customers, their events and their destinations.

`open_registry` gives the service; `entities` are what it answers. Both names here are loaded when they are asked for:
whoever needs entities only, such as the definitions in Dagster, has no use for the database behind the service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clickstream_platform.registry.opening import open_registry
    from clickstream_platform.registry.service import RegistryService

__all__ = ["RegistryService", "open_registry"]


def __getattr__(name: str) -> object:
    """Return one of `__all__`."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from clickstream_platform.registry import opening

    return getattr(opening, name)
