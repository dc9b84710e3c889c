"""The registry: the single source of truth for customers, their events and their destinations.

`open_registry` gives the service; `entities` are what it answers.
"""

from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.service import RegistryService

__all__ = ["RegistryService", "open_registry"]
