"""The customers as the exporter knows them, and whether the registry answers.

Belongs here: the question. Does not: what follows from the answer (`platform_findings`).
"""

from __future__ import annotations

from collections.abc import Callable

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.pipeline.platform_sources import RegistryFigures
from clickstream_platform.registry.client.cached import CachedRegistry
from clickstream_platform.registry.reader import RegistryReader


def read_registry(open_registry: Callable[[], RegistryReader]) -> RegistryFigures:
    """Ask the registry; a registry that does not answer, or can't be opened, is an answer, too."""
    try:
        registry = open_registry()
        customers = tuple(customer.slug for customer in registry.list_customers())
    except ClickstreamError as error:
        return RegistryFigures((), " ".join(str(error).split()), None)
    if isinstance(registry, CachedRegistry):
        status = registry.status()
        return RegistryFigures(customers, status.trouble, status.age_seconds)
    return RegistryFigures(customers)
