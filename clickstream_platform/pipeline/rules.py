"""The rules that a customer's tables are planned by: the customer's policy within the limits of its warehouse.

Belongs here: putting both together. Does not: what follows from them (`transform.plan`).
"""

from __future__ import annotations

from typing import Protocol

from clickstream_platform.registry.entities import Policy
from clickstream_platform.transform.plan import SchemaPolicy


class Limits(Protocol):
    """What a warehouse takes; a `load.port.Warehouse` and a loader both tell."""

    @property
    def max_columns(self) -> int:
        """The most columns that a table may have."""
        ...

    @property
    def max_json_bytes(self) -> int | None:
        """The longest text that a JSON column takes as one value; None without a limit."""
        ...


def schema_policy(policy: Policy, limits: Limits) -> SchemaPolicy:
    """Return the rules for the customer's tables."""
    return SchemaPolicy(policy.schema_mode, min(policy.column_limit, limits.max_columns), limits.max_json_bytes)
