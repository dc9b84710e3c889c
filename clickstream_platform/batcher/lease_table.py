"""The lease table in a database: PostgreSQL for a fleet, SQLite on one machine. The registry's database will do.

Belongs here: the table and its conditional updates. Does not: what leases mean (`leases`).

No update trusts what was read before: each names the owner and fence it relies on, and the count of changed rows tells
whether they still hold. That is DynamoDB's conditional write, on a database that is there already.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from clickstream_platform.batcher.bounds import BatchPlan
from clickstream_platform.batcher.consumer import ShardInfo
from clickstream_platform.batcher.leases import Lease, LeaseLostError, LeaseTableUnavailableError
from clickstream_platform.databases import open_database
from clickstream_platform.model.hours import Hour

_metadata = sa.MetaData()
_leases = sa.Table(
    "batcher_leases",
    _metadata,
    sa.Column("application", sa.String(255), primary_key=True),
    sa.Column("shard_id", sa.String(255), primary_key=True),
    sa.Column("parents", sa.Text, nullable=False),
    sa.Column("owner", sa.String(255)),
    sa.Column("counter", sa.BigInteger, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("position", sa.Text, nullable=False),
    sa.Column("plan", sa.Text),
    sa.Column("batches", sa.BigInteger, nullable=False),
    sa.Column("watermark_ms", sa.BigInteger),
    sa.Column("unsealed", sa.Text, nullable=False),
    sa.Column("sealed_through", sa.String(13)),
    sa.Column("is_finished", sa.Boolean, nullable=False),
)


class SqlLeaseTable:
    """The leases of one application; to be shared by the threads of a process."""

    def __init__(self, url: str, application: str) -> None:
        """Connect to a SQLAlchemy URL and create the table where there is none."""
        self._application = application
        self._engine = open_database(url, outlives_power_cut=True)  # as a checkpoint must
        with self._errors():
            try:
                _metadata.create_all(self._engine)
            except SQLAlchemyError:
                # Another instance may have created it at the same moment: then it is there now.
                _metadata.create_all(self._engine)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def add(self, shards: Iterable[ShardInfo], sealed_through: Hour) -> int:
        """See `LeaseTable.add`."""
        wanted = list(shards)
        with self._errors():
            try:
                return self._try_add(wanted, sealed_through)
            except IntegrityError:  # another instance added the same shards at the same moment
                return self._try_add(wanted, sealed_through)

    def _try_add(self, shards: list[ShardInfo], sealed_through: Hour) -> int:
        with self._engine.begin() as connection:
            return self._insert(connection, shards, sealed_through)

    def list_leases(self) -> list[Lease]:
        """See `LeaseTable.list_leases`."""
        query = sa.select(_leases).where(_leases.c.application == self._application).order_by(_leases.c.shard_id)
        with self._errors(), self._engine.connect() as connection:
            return [_lease(row) for row in connection.execute(query).mappings()]

    def take(self, lease: Lease, owner: str) -> Lease | None:
        """See `LeaseTable.take`."""
        found = (_leases.c.fence == lease.fence, _leases.c.counter == lease.counter)
        values = {"owner": owner, "fence": lease.fence + 1, "counter": lease.counter + 1}
        with self._errors(), self._engine.begin() as connection:
            if not connection.execute(self._update(lease).where(*found).values(values)).rowcount:
                return None
            row = connection.execute(sa.select(_leases).where(*self._key(lease))).mappings().one()
            return _lease(row)

    def renew(self, leases: Iterable[Lease]) -> set[str]:
        """See `LeaseTable.renew`.

        One statement for all: while many threads are busy each question waits long for Python's interpreter lock, and
        one for each lease takes longer than leases last.
        """
        ours = [(lease.shard_id, lease.owner, lease.fence) for lease in leases]
        if not ours:
            return set()
        columns = sa.tuple_(_leases.c.shard_id, _leases.c.owner, _leases.c.fence)
        update = sa.update(_leases).where(_leases.c.application == self._application, columns.in_(ours))
        counted = update.values(counter=_leases.c.counter + 1).returning(_leases.c.shard_id)
        with self._errors(), self._engine.begin() as connection:
            return set(connection.execute(counted).scalars())

    def release(self, lease: Lease) -> None:
        """See `LeaseTable.release`."""
        with self._errors(), self._engine.begin() as connection:
            connection.execute(self._owned(lease).values(owner=None))

    def change(self, before: Lease, after: Lease, shards: Iterable[ShardInfo] = ()) -> Lease:
        """See `LeaseTable.change`."""
        with self._errors(), self._engine.begin() as connection:
            if not connection.execute(self._owned(before).values(_owners_values(after))).rowcount:
                raise LeaseLostError(
                    "writing a checkpoint",
                    where=before.shard_id,
                    cause="another instance has the lease",
                    remedy="It goes on there; nothing is lost.",
                )
            new = list(shards)
            if new and after.sealed_through is not None:
                # Children are open in the hour in which their parent was closed.
                self._insert(connection, new, after.sealed_through.plus(-1))
        return after

    def rewind(self, shard_id: str, to_ms: int) -> bool:
        """Let a shard be read again from a moment (ms since 1970); False while a batch of it is being written.

        What was written before is removed as duplicates, as far as the window of de-duplication reaches.
        """
        key = (_leases.c.application == self._application, _leases.c.shard_id == shard_id)
        is_later = sa.or_(_leases.c.watermark_ms.is_(None), _leases.c.watermark_ms > to_ms)
        values = {
            "position": f"@{to_ms}",
            "watermark_ms": to_ms,
            "is_finished": False,
            "owner": None,
            "fence": _leases.c.fence + 1,
        }
        with self._errors(), self._engine.begin() as connection:
            update = sa.update(_leases).where(*key, _leases.c.plan.is_(None), is_later, _leases.c.position != "")
            if connection.execute(update.values(values)).rowcount:
                return True
            # Nothing behind that moment was read yet: it is going to be.
            waiting = sa.select(_leases.c.shard_id).where(*key, _leases.c.plan.is_not(None))
            return connection.execute(waiting).first() is None

    def remove(self, lease: Lease) -> None:
        """See `LeaseTable.remove`."""
        with self._errors(), self._engine.begin() as connection:
            connection.execute(sa.delete(_leases).where(*self._key(lease), _leases.c.is_finished))

    def _insert(self, connection: sa.Connection, shards: list[ShardInfo], sealed_through: Hour) -> int:
        query = sa.select(_leases.c.shard_id).where(_leases.c.application == self._application)
        held = set(connection.execute(query).scalars())
        new = [Lease(each.shard_id, each.parents) for each in shards if each.shard_id not in held]
        if new:
            rows = [self._row(lease, sealed_through) for lease in new]
            connection.execute(sa.insert(_leases), rows)
        return len(new)

    def _row(self, lease: Lease, sealed_through: Hour) -> dict[str, Any]:
        key = {"application": self._application, "shard_id": lease.shard_id, "parents": json.dumps(lease.parents)}
        values = {**_owners_values(lease), "sealed_through": str(sealed_through)}
        return {**key, **values, "owner": None, "counter": 0, "fence": 0}

    def _key(self, lease: Lease) -> tuple[sa.ColumnElement[bool], ...]:
        return _leases.c.application == self._application, _leases.c.shard_id == lease.shard_id

    def _update(self, lease: Lease) -> sa.Update:
        return sa.update(_leases).where(*self._key(lease))

    def _owned(self, lease: Lease) -> sa.Update:
        return self._update(lease).where(_leases.c.owner == lease.owner, _leases.c.fence == lease.fence)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = " ".join(str(getattr(error, "orig", None) or error).split())
            remedy = "It is tried again; if it stays, check the database of the leases."
            raise LeaseTableUnavailableError("asking the lease table", cause=cause, remedy=remedy) from error


def _owners_values(lease: Lease) -> dict[str, Any]:
    return {
        "position": lease.position,
        "plan": None if lease.plan is None else lease.plan.to_json(),
        "batches": lease.batches,
        "watermark_ms": lease.watermark_ms,
        "unsealed": json.dumps({str(hour): numbers for hour, numbers in sorted(lease.unsealed.items())}),
        "sealed_through": None if lease.sealed_through is None else str(lease.sealed_through),
        "is_finished": lease.is_finished,
    }


def _lease(row: sa.RowMapping) -> Lease:
    return Lease(
        row["shard_id"],
        tuple(json.loads(row["parents"])),
        row["owner"],
        row["counter"],
        row["fence"],
        row["position"],
        None if row["plan"] is None else BatchPlan.from_json(row["plan"]),
        row["batches"],
        row["watermark_ms"],
        {Hour.parse(hour): tuple(numbers) for hour, numbers in json.loads(row["unsealed"]).items()},
        None if row["sealed_through"] is None else Hour.parse(row["sealed_through"]),
        row["is_finished"],
    )
