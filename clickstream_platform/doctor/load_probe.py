"""A load of one row into a table that is never committed: proof that the loader's rights and the way to S3 are there.

Everything goes through the loader's own port, so what is proved is what a load does: lock the schema, create and change
a table, read staged Parquet (in Redshift by COPY of a manifest as the destination's role), insert, delete. Belongs
here: the probe. Does not: judging a destination by anything else (`redshift`).
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clickstream_platform.doctor.findings import Finding, Status, of_error, ok, skipped
from clickstream_platform.doctor.objects import remove_probes
from clickstream_platform.errors import ClickstreamError, LoadError, ReconciliationError
from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.load.port import PartLocator, Session, Warehouse
from clickstream_platform.load.statements import (
    AddColumn,
    CreateSchema,
    CreateTable,
    DeleteHour,
    InsertStaged,
    PartLocation,
    RetypeColumn,
    Rows,
    StagePack,
)
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import staged_prefix
from clickstream_platform.model.records import LOAD_COLUMNS
from clickstream_platform.model.schemas import Column, ColumnType
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.model.staging import StagedPart

_PACK = "pack_0"
_STAGED = (
    Column("id", ColumnType.VARCHAR, 512),
    Column("received_at", ColumnType.TIMESTAMP),
    Column("amount", ColumnType.BIGINT),
    Column("tags", ColumnType.JSON),
)
STEPS = ("connect and lock", "schema and tables", "read staged objects", "write rows", "clean up")


@dataclass(frozen=True, slots=True)
class LoadProbe:
    """A probe of one customer's schema."""

    warehouse: Warehouse
    schema: str
    customer: str
    objects: ObjectStore
    locate: PartLocator
    clock: Clock

    def run(self, part: str) -> Iterator[Finding]:
        """Yield a finding for each step; after one that failed the others are skipped."""
        table, token = "_doctor$", secrets.token_hex(6)
        prefix = staged_prefix(self.customer, Hour.of(self.clock.now()), f"doctor-{token}")
        done: list[Finding] = []
        try:
            with self.warehouse.session(self.schema) as session:
                for step, detail in self._steps(session, f"{table}{token}", prefix):
                    done.append(ok(part, step, detail))
        except ClickstreamError as error:
            done.append(of_error(part, STEPS[len(done)], error))
        yield from done
        yield from (skipped(part, step, "an earlier step failed") for step in STEPS[len(done) :])
        removed = remove_probes(part, "delete staged probe", self.objects, prefix)
        if removed.status is not Status.OK:
            yield removed

    def _steps(self, session: Session, table: str, prefix: str) -> Iterator[tuple[str, str]]:
        hour = Hour.of(self.clock.now())
        session.begin()
        yield STEPS[0], f"only writer of schema {self.schema!r}"
        session.execute(CreateSchema())
        session.execute(CreateTable(table, (*_STAGED[:2], *LOAD_COLUMNS)))
        session.execute(AddColumn(table, Column("amount", ColumnType.DOUBLE)))
        session.execute(RetypeColumn(table, _STAGED[2]))
        session.execute(AddColumn(table, _STAGED[3]))
        yield STEPS[1], "table created, columns added and dropped"
        staged = self._stage(prefix)
        location = PartLocation(self.locate(staged), staged.size, staged.rows)
        session.execute(StagePack(_PACK, (location,), _STAGED, shared=False))
        yield STEPS[2], f"one row from {location.url}"
        inserted = session.execute(InsertStaged(table, _STAGED, Rows(_PACK), hour, self.clock.now()))
        deleted = session.execute(DeleteHour(table, hour))
        if (inserted, deleted) != (1, 1):
            raise _wrong_counts(inserted, deleted)
        yield STEPS[3], "row inserted and deleted"
        session.rollback()
        if session.columns([table]):
            raise _still_there(table)
        yield STEPS[4], "everything was rolled back"

    def _stage(self, prefix: str) -> StagedPart:
        """Put a Parquet part of one row, as the transform does."""
        row = {
            "id": pa.array(["doctor"], pa.string()),
            "received_at": pa.array([self.clock.now().replace(tzinfo=None)], pa.timestamp("us")),
            "amount": pa.array([1], pa.int64()),
            "tags": pa.array(['["a"]'], pa.string()),
        }
        key = f"{prefix}part-000.parquet"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "part.parquet"
            pq.write_table(pa.table(row), path)
            return StagedPart(key, self.objects.put_file(key, path).size, 1)


def _wrong_counts(inserted: int, deleted: int) -> ClickstreamError:
    return ReconciliationError(
        "writing one row",
        cause=f"{inserted} rows were inserted and {deleted} deleted",
        remedy="The warehouse does not do what it is told; report it with its version.",
    )


def _still_there(table: str) -> ClickstreamError:
    return LoadError(
        "rolling back",
        cause=f"table {table!r} is still there",
        remedy="The warehouse commits what it is told to undo; drop the table and report it.",
    )
