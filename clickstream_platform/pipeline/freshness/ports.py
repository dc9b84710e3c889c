"""What the watch over freshness asks of its parts: the object store's listings and the ledgers.

Belongs here: the few methods that are used. Does not: implementations (`gateways`, `ledgers`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.schemas import LOADS_COLUMNS
from clickstream_platform.registry.entities import Snapshot


class ListedObject(Protocol):
    """What a listing tells of an object; size in bytes, modified aware."""

    @property
    def key(self) -> str:
        """The object's key."""
        ...

    @property
    def size(self) -> int:
        """Bytes as stored."""
        ...

    @property
    def modified(self) -> datetime:
        """When it was written."""
        ...


class ArrivalStore(Protocol):
    """Where raw objects are."""

    def list_objects(self, prefix: str) -> Iterator[ListedObject]:
        """List the objects below a prefix in key order."""
        ...


@dataclass(frozen=True, slots=True)
class LedgerQuestion:
    """Which rows of which ledgers."""

    customers: Collection[str]
    since: Hour
    hours: tuple[Hour, ...] | None = None
    """None: all from `since` on."""
    events: tuple[str, ...] | None = None
    """None: all; otherwise the same for all customers."""
    columns: tuple[str, ...] = tuple(column.name for column in LOADS_COLUMNS)


@dataclass(frozen=True, slots=True)
class LedgerAnswer:
    """What one warehouse told of some customers; with an `error`, nothing of them is known."""

    destination: str
    customers: tuple[str, ...]
    rows: Sequence[Sequence[Any]] = ()
    """The columns that were asked for, in their order."""
    error: ClickstreamError | None = None


class LedgerSource(Protocol):
    """Reads the ledgers of many customers."""

    def read(self, snapshot: Snapshot, question: LedgerQuestion) -> Iterator[LedgerAnswer]:
        """Yield answers as they come, each customer in one of them; never raise a ClickstreamError."""
        ...
