"""Why the registry says no, one class per kind of answer, so that an HTTP route can map each to one status.

    RegistryError
    ├── NotFoundError         no such customer, event or destination
    ├── ConflictError         it exists already, or its state does not allow the change
    ├── StaleRevisionError    somebody changed it since it was read
    └── InvalidRequestError   a name or value outside its grammar or limits
    RetryableError
    └── RegistryUnavailableError   the database is away or held by another writer

Belongs here: the classes, and the refusals that more than one module raises. Does not: the rules that lead to them
(`rules`).
"""

from __future__ import annotations

from clickstream_platform.errors import RegistryError, RetryableError


class NotFoundError(RegistryError):
    """There is no such customer, event or destination."""


class ConflictError(RegistryError):
    """It exists already, or what it is now does not allow the change."""


class StaleRevisionError(RegistryError):
    """The caller decided on an older revision than the current one."""


class InvalidRequestError(RegistryError):
    """A name or value is outside its grammar or limits."""


class RegistryUnavailableError(RetryableError):
    """The registry's database is away, or another writer held it for too long."""


def unknown_customer(slug: str) -> NotFoundError:
    """Say that no customer has this slug."""
    return NotFoundError(
        "finding a customer",
        where=repr(slug),
        cause="the registry has none of this name",
        remedy="See `clickstream registry customers list`, or add it with `clickstream registry customers add`.",
    )


def removed_customer(slug: str) -> ConflictError:
    """Say that this customer is a tombstone."""
    return ConflictError(
        "changing a customer",
        where=repr(slug),
        cause="the customer was removed",
        remedy="Bring it back with `clickstream registry customers restore`.",
    )


def unknown_event(customer: str, slug: str) -> NotFoundError:
    """Say that this customer has no event of this slug."""
    return NotFoundError(
        "finding an event",
        where=repr(f"{customer}/{slug}"),
        cause="the customer has none of this name",
        remedy="See `clickstream registry events list`, or add it with `clickstream registry events add`.",
    )


def unknown_destination(name: str) -> NotFoundError:
    """Say that no destination has this name."""
    return NotFoundError(
        "finding a destination",
        where=repr(name),
        cause="the registry has none of this name",
        remedy="Add it with `clickstream registry destinations add`.",
    )


def already_there(kind: str, name: str) -> ConflictError:
    """Say that a customer, event or destination of this name exists."""
    return ConflictError(
        f"adding the {kind}",
        where=repr(name),
        cause="it exists already",
        remedy="Change the existing one, or choose another name.",
    )


def stale_revision(kind: str, name: str, expected: int, current: int) -> StaleRevisionError:
    """Say that the entity moved on since the caller read it."""
    return StaleRevisionError(
        f"changing the {kind}",
        where=repr(name),
        cause=f"it is at revision {current}, not {expected}: somebody changed it since it was read",
        remedy="Read it again and repeat the change.",
    )
