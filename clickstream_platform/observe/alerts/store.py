"""Alerting's memory in a database, and the lease that makes one process its only writer.

Belongs here: reading it all, and each thing that is written. Does not: deciding (`lifecycle`, `planning`).

What was told is written right after the service took the message. A process that is killed between the two tells it
again after its restart, under the same message id: at least once, never not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from clickstream_platform.databases import open_database
from clickstream_platform.errors import ConfigurationError, RetryableError
from clickstream_platform.observe.alerts import tables
from clickstream_platform.observe.alerts.alert import AlertState
from clickstream_platform.observe.alerts.lifecycle import Changes
from clickstream_platform.observe.alerts.memory import Memory
from clickstream_platform.observe.alerts.planning import Bundle
from clickstream_platform.observe.alerts.ports import Message
from clickstream_platform.observe.alerts.silences import Silence
from clickstream_platform.observe.alerts.tables import milliseconds

LEASE_SECONDS = 150
"""An engine that is silent for so long is replaced by another one; longer than an evaluation takes with its sending."""
_LEASE = "engine"
_TOO_FAR = timedelta(days=1)
"""A lease until later than this is of a machine whose clock was wrong."""


class AlertStoreUnavailableError(RetryableError):
    """The database of the alerts did not answer, or refused."""


class AlertsTakenOverError(RetryableError):
    """Another process has taken over while this one was away."""


class SqlAlertStore:
    """The memory of one platform's alerts."""

    def __init__(self, url: str) -> None:
        """Connect to a SQLAlchemy URL and create the tables where there are none."""
        try:
            # What a power cut takes away is told again, not lost.
            self._engine = open_database(url, outlives_power_cut=False, makes_folder=True)
        except (ArgumentError, ModuleNotFoundError, ValueError) as error:
            raise ConfigurationError(  # the URL may hold a password: nothing of it is shown
                "opening the database of alerts",
                cause=f"the address is no SQLAlchemy URL of a known database ({type(error).__name__})",
                remedy="Correct CLICKSTREAM_ALERTS_URL, such as sqlite:////data/alerts.db.",
            ) from None
        with self._errors():
            try:
                tables.metadata.create_all(self._engine)
            except SQLAlchemyError:
                # Another process may have created them at the same moment: then they are there now.
                tables.metadata.create_all(self._engine)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    # The lease

    def take_lease(self, owner: str, now: datetime) -> bool:
        """Become or stay the only writer; False while another one is."""
        until = milliseconds(now + timedelta(seconds=LEASE_SECONDS))
        row = tables.lease
        is_over = sa.or_(row.c.until_ms < milliseconds(now), row.c.until_ms > milliseconds(now + _TOO_FAR))
        is_free = sa.or_(row.c.owner == owner, is_over)
        update = sa.update(row).where(row.c.name == _LEASE, is_free).values(owner=owner, until_ms=until)
        with self._errors():
            with self._engine.begin() as connection:
                if connection.execute(update).rowcount:
                    return True
                if connection.execute(sa.select(row.c.name)).first() is not None:
                    return False
            try:
                with self._engine.begin() as connection:
                    connection.execute(sa.insert(row).values(name=_LEASE, owner=owner, until_ms=until))
            except IntegrityError:  # another process was the first at the same moment
                return False
            return True

    def give_lease(self, owner: str) -> None:
        """Let another process take over at once."""
        with self._errors(), self._engine.begin() as connection:
            connection.execute(sa.delete(tables.lease).where(tables.lease.c.owner == owner))

    # Reading

    def load(self, now: datetime, rate_window_seconds: int) -> Memory:
        """Return all that is remembered; of messages only those within the window of rate limits."""
        recent = tables.sent.c.at_ms >= milliseconds(now - timedelta(seconds=rate_window_seconds))
        active = tables.silences.c.until_ms > milliseconds(now)
        queries = {
            "alerts": sa.select(tables.alerts),
            "told": sa.select(tables.told),
            "sent": sa.select(tables.sent).where(recent),
            "groups": sa.select(tables.groups),
            "channels": sa.select(tables.channels),
            "silences": sa.select(tables.silences).where(active).order_by("id"),
        }
        # All is read before any of it is made sense of: PostgreSQL ends a transaction that thinks for long.
        with self._errors(), self._engine.begin() as connection:
            rows = {name: _rows(connection, query).all() for name, query in queries.items()}
        memory = Memory(
            alerts={row["key"]: tables.alert_of(row) for row in rows["alerts"]},
            told={(row["channel"], row["key"]): tables.told_of(row) for row in rows["told"]},
            last_sent={(row["channel"], row["group"]): tables.moment(row["at_ms"]) for row in rows["groups"]},
            troubles={row["channel"]: tables.trouble_of(row) for row in rows["channels"]},
            silences=[tables.silence_of(row) for row in rows["silences"]],
        )
        for row in rows["sent"]:
            memory.sent.setdefault(row["channel"], []).append(tables.moment(row["at_ms"]))
        return memory

    # Writing, by the owner of the lease only

    def mend_times(self, owner: str, now: datetime) -> None:
        """Date what a clock that was wrong dated into the future as of now, so that nothing waits for that future."""
        now_ms = milliseconds(now)
        with self._owned(owner) as connection:
            for column in tables.PAST_COLUMNS:
                update = sa.update(column.table).where(column > now_ms)
                connection.execute(update.values({column.name: now_ms}))
            channels = tables.channels
            too_late = channels.c.next_try_ms > milliseconds(now + _TOO_FAR)
            connection.execute(sa.update(channels).where(too_late).values(next_try_ms=now_ms))

    def save(self, owner: str, changes: Changes) -> None:
        """Write what became of the alerts."""
        if not (changes.saved or changes.dropped):
            return
        rows = [tables.alert_row(each) for each in changes.saved.values()]
        with self._owned(owner) as connection:
            tables.upsert(connection, tables.alerts, rows)
            _delete_alerts(connection, changes.dropped)

    def record_sent(self, owner: str, channel: str, bundle: Bundle, message: Message, now: datetime) -> None:
        """Write that a channel took a message about these groups."""
        at_ms = milliseconds(now)
        table = tables.told
        firing = [(each, news.group) for news in bundle for each in news.new + news.again]
        rows = [{"channel": channel, "key": each.key, "group": group, "at_ms": at_ms} for each, group in firing]
        with self._owned(owner) as connection:
            tables.upsert(connection, table, rows)
            for keys in _chunks(each.key for news in bundle for each in news.over):
                connection.execute(sa.delete(table).where(table.c.channel == channel, table.c.key.in_(keys)))
            group_rows = [{"channel": channel, "group": news.group, "at_ms": at_ms} for news in bundle]
            tables.upsert(connection, tables.groups, group_rows)
            values = {"channel": channel, "at_ms": at_ms, "message": message.id, "title": message.title}
            connection.execute(sa.insert(tables.sent).values(values))
            connection.execute(sa.delete(tables.channels).where(tables.channels.c.channel == channel))

    def record_failure(self, owner: str, channel: str, failures: int, next_try: datetime, error: str) -> None:
        """Write that a channel did not take a message."""
        row = {"channel": channel, "failures": failures, "next_try_ms": milliseconds(next_try), "error": error}
        with self._owned(owner) as connection:
            tables.upsert(connection, tables.channels, [row])

    def prune(self, owner: str, now: datetime, keep_days: int, channels: Iterable[str]) -> None:
        """Forget what was over long ago and everybody was told of, and all about channels that are no more."""
        before = milliseconds(now - timedelta(days=keep_days))
        alerts, known = tables.alerts, list(channels)
        with self._owned(owner) as connection:
            for table in (tables.told, tables.groups, tables.channels):
                connection.execute(sa.delete(table).where(table.c.channel.not_in(known)))
            is_told = sa.exists().where(tables.told.c.key == alerts.c.key)
            is_old = sa.and_(alerts.c.state == AlertState.RESOLVED.value, alerts.c.changed_ms < before)
            connection.execute(sa.delete(alerts).where(is_old, ~is_told))
            for table, column in ((tables.sent, "at_ms"), (tables.groups, "at_ms"), (tables.silences, "until_ms")):
                connection.execute(sa.delete(table).where(table.c[column] < before))

    # People

    def add_silence(self, silence: Silence) -> int:
        """Keep a silence, whatever its id, and return the id it got."""
        values = {
            "until_ms": milliseconds(silence.until),
            "reason": silence.reason,
            "by": silence.by,
            "kind": silence.kind,
            "customer": silence.customer,
            "event": silence.event,
        }
        with self._errors(), self._engine.begin() as connection:
            key = connection.execute(sa.insert(tables.silences).values(values)).inserted_primary_key
        return int(key[0]) if key else 0

    def end_silence(self, silence_id: int, now: datetime) -> bool:
        """Let a silence end now; False when there is none of this id that goes on."""
        row = tables.silences
        update = sa.update(row).where(row.c.id == silence_id, row.c.until_ms > milliseconds(now))
        with self._errors(), self._engine.begin() as connection:
            return bool(connection.execute(update.values(until_ms=milliseconds(now))).rowcount)

    def list_sent(self, limit: int) -> list[tuple[datetime, str, str]]:
        """Return the newest messages: when, to which channel, with which title."""
        query = sa.select(tables.sent).order_by(tables.sent.c.at_ms.desc(), tables.sent.c.id.desc()).limit(limit)
        with self._errors(), self._engine.begin() as connection:
            return [(tables.moment(row["at_ms"]), row["channel"], row["title"]) for row in _rows(connection, query)]

    @contextmanager
    def _owned(self, owner: str) -> Iterator[sa.Connection]:
        """Begin a transaction that holds only while this owner has the lease; the row is locked until its end."""
        row = tables.lease
        with self._errors(), self._engine.begin() as connection:
            lock = sa.update(row).where(row.c.name == _LEASE, row.c.owner == owner).values(owner=owner)
            if not connection.execute(lock).rowcount:
                raise AlertsTakenOverError(
                    "writing down alerts",
                    cause="another process has taken over",
                    remedy="It goes on there; a message may have been sent twice, with the same id.",
                )
            yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
            remedy = "It is tried again; if it stays, check the database of CLICKSTREAM_ALERTS_URL."
            raise AlertStoreUnavailableError("asking the database of alerts", cause=cause, remedy=remedy) from error


def _rows(connection: sa.Connection, query: sa.Select[tuple[object, ...]]) -> sa.MappingResult:
    return connection.execute(query).mappings()


def _delete_alerts(connection: sa.Connection, keys: Iterable[str]) -> None:
    for chunk in _chunks(keys):
        connection.execute(sa.delete(tables.alerts).where(tables.alerts.c.key.in_(chunk)))


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    found = list(keys)
    for start in range(0, len(found), tables.ROWS_AT_ONCE):
        yield found[start : start + tables.ROWS_AT_ONCE]
