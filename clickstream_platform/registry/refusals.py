"""Why the registry says no, one class per kind of answer, so that an HTTP route can map each to one status.

    RegistryError
    ├── NotFoundError         no such customer, event or destination
    ├── ConflictError         it exists already, or its state does not allow the change
    ├── StaleRevisionError    somebody changed it since it was read
    ├── InvalidRequestError   a name or value outside its grammar or limits
    └── UnauthenticatedError  no valid token
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


class UnauthenticatedError(RegistryError):
    """The caller showed no valid token."""


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


def unknown_key(kind: str, key_id: str) -> NotFoundError:
    """Say that there is no write key or API token of this id."""
    return NotFoundError(
        f"finding the {kind}",
        where=repr(key_id),
        cause="there is none of this id",
        remedy="List them to see their ids.",
    )


def dead_key(failed: str, key_id: str) -> ConflictError:
    """Say that a key was revoked or is over."""
    return ConflictError(
        failed, where=repr(key_id), cause="it was revoked or has expired", remedy="Add a new one instead."
    )


def unknown_contract(customer: str, event: str, version: int) -> NotFoundError:
    """Say that an event has no such version of a contract."""
    return NotFoundError(
        "finding a contract",
        where=repr(f"{customer}/{event}"),
        cause=f"it has no version {version}",
        remedy="List the event's contracts, or add a version.",
    )


def unauthenticated() -> UnauthenticatedError:
    """Say that a token is missing, wrong, revoked or over; which of these is nobody's business."""
    return UnauthenticatedError(
        "recognising the caller",
        cause="no valid token was shown",
        remedy="Ask an administrator for one, made with `clickstream registry tokens add`.",
    )


def changed_meanwhile() -> StaleRevisionError:
    """Say that the registry is not what a plan was made for."""
    return StaleRevisionError(
        "changing the registry as planned",
        cause="somebody changed it since the plan was made",
        remedy="Make the plan again, look at it and apply that.",
    )
