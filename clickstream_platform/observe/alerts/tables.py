"""The tables of alerting: PostgreSQL for a fleet, SQLite on one machine.

Belongs here: tables, rows from and to nouns. Does not: what is written when (`store`), opening (`databases`).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from clickstream_platform.model.findings import Severity
from clickstream_platform.observe.alerts.alert import Alert, AlertState
from clickstream_platform.observe.alerts.memory import ChannelTrouble, Told
from clickstream_platform.observe.alerts.silences import Silence

ROWS_AT_ONCE = 500
metadata = sa.MetaData()
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("key", sa.String(400), primary_key=True),
    sa.Column("kind", sa.String(100), nullable=False),
    sa.Column("customer", sa.String(150)),
    sa.Column("event", sa.String(150)),
    sa.Column("severity", sa.String(20), nullable=False),
    sa.Column("runbook", sa.String(150), nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("since_ms", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("changed_ms", sa.BigInteger, nullable=False),
    sa.Column("absent_since_ms", sa.BigInteger),
    sa.Column("openings", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("links", sa.Text, nullable=False),
    sa.Column("unlooked_since_ms", sa.BigInteger),
    sa.Column("last", sa.Text, nullable=False),
    sa.Column("concerned", sa.Text, nullable=False),
)
told = sa.Table(
    "alerts_told",
    metadata,
    sa.Column("channel", sa.String(100), primary_key=True),
    sa.Column("key", sa.String(400), primary_key=True),
    sa.Column("group", sa.String(300), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
sent = sa.Table(
    "alerts_sent",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("channel", sa.String(100), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("message", sa.String(40), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
)
groups = sa.Table(
    "alerts_groups",
    metadata,
    sa.Column("channel", sa.String(100), primary_key=True),
    sa.Column("group", sa.String(300), primary_key=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
channels = sa.Table(
    "alerts_channels",
    metadata,
    sa.Column("channel", sa.String(100), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("next_try_ms", sa.BigInteger, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
)
silences = sa.Table(
    "alerts_silences",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("until_ms", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("kind", sa.String(100)),
    sa.Column("customer", sa.String(150)),
    sa.Column("event", sa.String(150)),
)
lease = sa.Table(
    "alerts_lease",
    metadata,
    sa.Column("name", sa.String(20), primary_key=True),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("until_ms", sa.BigInteger, nullable=False),
)
PAST_COLUMNS = (
    alerts.c.changed_ms,
    alerts.c.absent_since_ms,
    alerts.c.unlooked_since_ms,
    told.c.at_ms,
    sent.c.at_ms,
    groups.c.at_ms,
)
"""All moments that can't be in the future."""


def milliseconds(moment: datetime) -> int:
    """Return a moment as milliseconds since 1970."""
    return round(moment.timestamp() * 1_000)


def moment(ms: int) -> datetime:
    """Return the moment of `milliseconds`."""
    return datetime.fromtimestamp(ms / 1_000, UTC)


def alert_row(alert: Alert) -> dict[str, Any]:
    """Return the row of an alert."""
    return {
        "key": alert.key,
        "kind": alert.kind,
        "customer": alert.customer,
        "event": alert.event,
        "severity": alert.severity.value,
        "runbook": alert.runbook,
        "summary": alert.summary,
        "since_ms": milliseconds(alert.since),
        "state": alert.state.value,
        "changed_ms": milliseconds(alert.changed_at),
        "absent_since_ms": _ms_or_none(alert.absent_since),
        "openings": json.dumps([milliseconds(each) for each in alert.openings]),
        "number": alert.number,
        "detail": json.dumps(dict(alert.detail)),
        "links": json.dumps(dict(alert.links)),
        "unlooked_since_ms": _ms_or_none(alert.unlooked_since),
        "last": json.dumps([milliseconds(each) for each in alert.last or ()]),
        "concerned": json.dumps(alert.concerned),
    }


def alert_of(row: sa.RowMapping) -> Alert:
    """Return the alert of a row."""
    last = [moment(each) for each in json.loads(row["last"])]
    return Alert(
        row["key"],
        row["kind"],
        row["customer"],
        row["event"],
        Severity(row["severity"]),
        row["runbook"],
        row["summary"],
        moment(row["since_ms"]),
        AlertState(row["state"]),
        moment(row["changed_ms"]),
        _moment_or_none(row["absent_since_ms"]),
        tuple(moment(each) for each in json.loads(row["openings"])),
        row["number"],
        json.loads(row["detail"]),
        json.loads(row["links"]),
        _moment_or_none(row["unlooked_since_ms"]),
        (last[0], last[1]) if last else None,
        tuple(json.loads(row["concerned"])),
    )


def _ms_or_none(at: datetime | None) -> int | None:
    return None if at is None else milliseconds(at)


def _moment_or_none(ms: int | None) -> datetime | None:
    return None if ms is None else moment(ms)


def told_of(row: sa.RowMapping) -> Told:
    """Return the note of a row."""
    return Told(row["channel"], row["key"], row["group"], moment(row["at_ms"]))


def trouble_of(row: sa.RowMapping) -> ChannelTrouble:
    """Return the trouble of a row."""
    return ChannelTrouble(row["failures"], moment(row["next_try_ms"]), row["error"])


def silence_of(row: sa.RowMapping) -> Silence:
    """Return the silence of a row."""
    where = row["kind"], row["customer"], row["event"]
    return Silence(row["id"], moment(row["until_ms"]), row["reason"], row["by"], *where)


def upsert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Write rows over those with the same primary key."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    keys = [column.name for column in table.primary_key.columns]
    insert = dialect.insert(table)
    values = {name: insert.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=values), rows)
