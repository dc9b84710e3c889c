"""The routes of the API, one module per kind of entity; each function calls the service once and shapes its answer.

Belongs here: paths, permissions, what a function takes and gives. Does not: rules, and what all routes share
(`routing`).
"""

from __future__ import annotations

from clickstream_platform.registry.http.routes import (
    audit,
    contracts,
    customers,
    destinations,
    events,
    service,
    sightings,
    snapshots,
    tokens,
    transfer,
    write_keys,
)

ROUTERS = (
    customers.router,
    events.router,
    contracts.router,
    write_keys.router,
    destinations.router,
    audit.router,
    tokens.router,
    snapshots.router,
    sightings.router,
    transfer.router,
    service.router,
)
