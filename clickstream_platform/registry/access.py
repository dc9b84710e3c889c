"""Who may ask the registry for what: scopes, permissions and the one table between them.

Belongs here: pure rules about access. Does not: how a caller proves who it is (`tokens`, `http.authentication`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Scope = Literal["admin", "operator", "customer_read", "customer_write", "collector", "loader"]
CUSTOMER_SCOPES: frozenset[Scope] = frozenset({"customer_read", "customer_write"})
"""Scopes of a token that is for one customer: to it, no other customer exists."""


class Permission(StrEnum):
    """What a route asks for."""

    READ = "read"
    """A customer, its events, contracts, key hints and log of changes."""
    WRITE_EVENTS = "write_events"
    """A customer's events and contracts."""
    WRITE_KEYS = "write_keys"
    """A customer's write keys; the answer holds a secret once."""
    WRITE_CUSTOMERS = "write_customers"
    """Customers, their policies and which destination they have."""
    READ_DESTINATIONS = "read_destinations"
    WRITE_DESTINATIONS = "write_destinations"
    READ_AUDIT = "read_audit"
    """The log of changes of all customers."""
    WRITE_TOKENS = "write_tokens"
    TRANSFER = "transfer"
    """Export and import of everything."""
    SNAPSHOT = "snapshot"
    SNAPSHOT_KEYS = "snapshot_keys"
    """The hashes of write keys in the snapshot."""
    ANNOUNCE = "announce"
    """Saying which events arrived."""


_OWN_READ = frozenset({Permission.READ})
_OWN_WRITE = _OWN_READ | {Permission.WRITE_EVENTS, Permission.WRITE_KEYS}
_OPERATOR = frozenset(Permission) - {Permission.WRITE_TOKENS, Permission.WRITE_DESTINATIONS, Permission.TRANSFER}
GRANTS: Mapping[Scope, frozenset[Permission]] = {
    "admin": frozenset(Permission),
    "operator": _OPERATOR,
    "customer_read": _OWN_READ,
    "customer_write": _OWN_WRITE,
    "collector": frozenset({Permission.SNAPSHOT, Permission.SNAPSHOT_KEYS}),
    "loader": frozenset({Permission.SNAPSHOT, Permission.ANNOUNCE}),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that proved who it is."""

    name: str
    """As the log of changes calls it, such as `token:ci` or `oidc:jane@example.com`."""
    scope: Scope
    customer: str | None = None
    """The one customer of a customer scope."""

    def may(self, permission: Permission) -> bool:
        """Whether the scope has a permission at all."""
        return permission in GRANTS[self.scope]

    def sees(self, customer: str) -> bool:
        """Whether this customer exists for the caller."""
        return self.scope not in CUSTOMER_SCOPES or customer == self.customer
