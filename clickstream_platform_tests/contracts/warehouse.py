"""What loading into every warehouse must do; a test class per warehouse inherits these and gives a `target` fixture.

What belongs here: promises of the port, seen through the loader. What does not: tests of one warehouse's inside (beside
that warehouse's tests), of the loader's plans (`load`), of hours that meet (`contracts.warehouse_hours`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from clickstream_platform.errors import LoadError, ReconciliationError, StaleStagingError
from clickstream_platform.load.ledger import list_loads
from clickstream_platform.load.ledger_row import LedgerRow
from clickstream_platform.load.queries import FindLedgers, ReadLedgers
from clickstream_platform.load.reconcile import Finding, reconcile
from clickstream_platform.load.report import LoadReport, LoadStatus
from clickstream_platform.load.statements import AddColumn, CreateSchema, CreateTable, DeleteHour
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.schemas import Column, ColumnType
from clickstream_platform.model.staging import StagedBatch, StagedStream
from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.targets import NOW, SCHEMA, Target

NAIVE_NOW = NOW.replace(tzinfo=None)
NASTY_NAMES = [
    "select",
    "customer",
    "hour",
    "age",
    "key",
    "late",
    "s",
    "t",
    'a"b',
    "a'b; drop table x",
    "注文_金額",
    "ünï_cödé",
    "_table",
    "x" * 127,
]


def statuses(report: LoadReport) -> dict[str, str]:
    """Return what became of each event."""
    return {outcome.event: str(outcome.status) for outcome in report.outcomes}


def values(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Return some columns of rows."""
    return [tuple(row[name] for name in names) for row in rows]


class WarehouseContract:
    """The promises of `load.port.Warehouse`, one customer-hour at a time."""

    def test_every_type_arrives_as_it_was_staged(self, target: Target) -> None:
        time = datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
        row = {
            "text": "naïve \U0001f600\n",
            "whole": -(2**63),
            "half": 0.1,
            "yes": True,
            "time": time,
            "json": {"a": [1]},
        }
        nothing = dict.fromkeys(row)
        report = target.load(target.batch().add("seen", [{"id": "a", **row}, {"id": "b", **nothing}]).build())
        assert statuses(report) == {"seen": "loaded"}
        first, second = target.read("seen")
        assert first["json"].replace(" ", "") == '{"a":[1]}'
        expected = row | {"time": time.replace(tzinfo=None), "json": first["json"]}
        assert first.items() >= expected.items()
        assert second.items() >= nothing.items()
        assert values([first], "batch_hour", "uuid_ts") == [(HOUR.start.replace(tzinfo=None), NAIVE_NOW)]

    def test_tracks_has_the_common_columns_of_track_events_only(self, target: Target) -> None:
        batch = target.batch().add("seen", [{"id": "a", "price": 1, "context_ip": "::1"}])
        batch.add("bought", [{"id": "b", "user_id": "u"}]).add("pages", [{"id": "c", "name": "Home"}])
        target.load(batch.build())
        tracks = target.read("tracks")
        assert values(tracks, "id", "event", "event_text", "user_id", "context_ip") == [
            ("a", "seen", "Seen", None, "::1"),
            ("b", "bought", "Bought", "u", None),
        ]
        assert "price" not in tracks[0]

    @pytest.mark.parametrize("shared", [True, False])
    def test_a_table_gets_its_own_rows_of_a_pack(self, target: Target, shared: bool) -> None:
        batch = target.batch().add("one", [{"id": f"1{n}", "x": n} for n in range(5)])
        batch.add("two", [{"id": f"2{n}", "y": n} for n in range(3)]).add("three", [{"id": "30", "x": "text"}])
        assert target.load(batch.build(shared=shared)).failed == ()
        assert {table: target.ids(table) for table in ("one", "two", "three")} == {
            "one": ["10", "11", "12", "13", "14"],
            "two": ["20", "21", "22"],
            "three": ["30"],
        }
        assert values(target.read("three"), "x") == [("text",)]

    def test_one_commit_however_many_events(self, target: Target) -> None:
        batch = target.batch()
        for number in range(40):
            batch.add(f"event_{number}", [{"id": "a", "number": number}])
        report = target.load(batch.build())
        # All events share one pack, and `tracks` has its own.
        assert (report.commits, report.copies, set(statuses(report).values())) == (1, 2, {"loaded"})
        assert len(target.read("tracks")) == 40

    def test_the_ledger_says_what_was_counted(self, target: Target) -> None:
        batch = target.batch().add("seen", [{"id": "a"}], duplicates=2, rejected=3, discards=[{"row_id": "a"}]).build()
        report = target.load(batch)
        counts = StreamCounts(objects=1, bytes=100, raw=6, rows=1, duplicates=2, rejected=3, discarded=1)
        assert [(outcome.counts, outcome.table) for outcome in report.outcomes] == [(counts, "seen")]
        (row,) = list_loads(target.warehouse, SCHEMA, SCHEMA)
        assert (row.event, row.hour, row.input_digest, row.counts) == ("seen", HOUR, batch.streams[0].digest, counts)
        assert (row.run_id, row.started_at, row.committed_at) == ("run-1", NOW, NOW)
        assert values(target.read("_discards"), "event", "row_id", "batch_hour") == [
            ("seen", "a", HOUR.start.replace(tzinfo=None))
        ]

    def test_a_stream_without_rows_has_a_ledger_row_and_no_table(self, target: Target) -> None:
        report = target.load(target.batch().add("silent", [], rejected=4).build())
        assert [(o.status, o.table) for o in report.outcomes] == [(LoadStatus.LOADED, None)]
        assert [row.counts.rejected for row in list_loads(target.warehouse, SCHEMA, SCHEMA)] == [4]
        assert (target.read("silent"), target.read("tracks")) == ([], [])
        assert reconcile(target.warehouse, SCHEMA, SCHEMA, HOUR) == []

    def test_the_same_input_is_already_loaded(self, target: Target) -> None:
        batch = target.batch().add("seen", [{"id": "a"}]).add("silent", []).build()
        target.load(batch)
        before = {table: target.read(table) for table in ("seen", "tracks", "_loads")}
        report = target.load(batch)
        assert statuses(report) == {"seen": "already_loaded", "silent": "already_loaded"}
        assert [(o.table, o.counts.rows) for o in report.outcomes if o.counts] == [("seen", 1), (None, 0)]
        assert report.commits == 0
        assert before == {table: target.read(table) for table in before}
        digests = {stream.event: stream.digest for stream in batch.streams}
        loader = target.loader()
        assert set(loader.already_loaded(SCHEMA, HOUR, digests)) == {"seen", "silent"}
        assert loader.already_loaded(SCHEMA, HOUR, {"seen": "another"}) == {}
        assert loader.already_loaded(SCHEMA, HOUR.plus(1), digests) == {}

    def test_another_input_replaces_the_hour(self, target: Target) -> None:
        discard = {"row_id": "old"}
        batch = target.batch().add("seen", [{"id": "old"}, {"id": "kept", "n": 1}], discards=[discard])
        target.load(batch.add("other", [{"id": "o"}]).build())
        target.load(target.batch(HOUR.plus(1)).add("seen", [{"id": "later"}]).build())
        report = target.load(target.batch().add("seen", [{"id": "kept", "n": 2}, {"id": "new", "n": 3}]).build())
        assert statuses(report) == {"seen": "loaded"}
        assert sorted(values(target.read("seen"), "id", "n")) == [("kept", 2), ("later", None), ("new", 3)]
        assert target.ids("tracks") == ["kept", "later", "new", "o"]
        assert target.read("_discards") == []
        assert [row.event for row in list_loads(target.warehouse, SCHEMA, SCHEMA, HOUR)] == ["other", "seen"]

    def test_an_input_that_became_empty_empties_the_hour(self, target: Target) -> None:
        batch = (
            target.batch().add("seen", [{"id": "a"}]).add("identifies", [{"id": "i", "user_id": "u", "plan": "pro"}])
        )
        target.load(batch.build())
        target.load(target.batch().add("seen", [], rejected=1).add("identifies", []).build())
        assert [target.read(table) for table in ("seen", "tracks", "identifies", "users")] == [[], [], [], []]
        assert reconcile(target.warehouse, SCHEMA, SCHEMA, HOUR) == []

    def test_new_columns_are_added_to_old_tables(self, target: Target) -> None:
        target.load(target.batch().add("seen", [{"id": "a", "x": 1}]).build())
        rows = [{"id": "b", "y": "text", "z": [1], "context_os": "Plan 9"}]
        target.load(target.batch(HOUR.plus(1)).add("seen", rows).build())
        assert values(target.read("seen"), "id", "x", "y", "context_os") == [
            ("a", 1, None, None),
            ("b", None, "text", "Plan 9"),
        ]
        assert values(target.read("tracks"), "id", "context_os") == [("a", None), ("b", "Plan 9")]

    def test_longer_text_widens_its_column(self, target: Target) -> None:
        target.load(target.batch().add("seen", [{"id": "a", "note": "short"}]).build())
        long = "ü" * 30_000
        target.load(target.batch(HOUR.plus(1)).add("seen", [{"id": "b", "note": long}]).build())
        assert values(target.read("seen"), "note") == [("short",), (long,)]
        state = target.loader().table_states(SCHEMA, HOUR, ["seen"])["seen"]
        assert state.columns["note"].length == 65_535

    def test_whole_numbers_become_fractions_without_loss(self, target: Target) -> None:
        target.load(target.batch().add("seen", [{"id": "a", "price": 2**53}, {"id": "b"}]).build())
        target.load(target.batch(HOUR.plus(1)).add("seen", [{"id": "c", "price": 5.5}]).build())
        assert values(target.read("seen"), "id", "price") == [("a", float(2**53)), ("b", None), ("c", 5.5)]

    def test_whole_numbers_that_no_fraction_can_hold_stay(self, target: Target) -> None:
        target.load(target.batch().add("seen", [{"id": "a", "price": -(2**53) - 1}]).build())
        assert target.loader().max_abs_integer("seen", "price") == 2**53 + 1
        batch = target.batch(HOUR.plus(1)).add("seen", [{"id": "c", "price": 5.5}]).add("other", [{"id": "o"}])
        report = target.load(batch.build())
        assert statuses(report) == {"seen": "failed", "other": "loaded"}
        assert isinstance(report.failed[0].error, StaleStagingError)
        assert values(target.read("seen"), "id", "price") == [("a", -(2**53) - 1)]

    def test_rows_staged_for_another_type_must_be_staged_again(self, target: Target) -> None:
        target.load(target.batch().add("seen", [{"id": "a", "x": "text"}]).build())
        batch = target.batch(HOUR.plus(1)).add("seen", [{"id": "b", "x": 1}]).add("other", [{"id": "o"}]).build()
        report = target.load(batch)
        assert statuses(report) == {"seen": "failed", "other": "loaded"}
        assert isinstance(report.failed[0].error, StaleStagingError)
        assert "stage the stream-hour again" in str(report.failed[0].error)
        assert (target.ids("seen"), target.ids("tracks")) == (["a"], ["a", "o"])

    def test_types_are_chosen_anew_while_all_rows_are_replaced(self, target: Target) -> None:
        first = {"id": "a", "x": 1, "context_size": 1, "kept": 7}
        target.load(
            target.batch().add("seen", [first]).add("identifies", [{"id": "i", "user_id": "u", "age": 1}]).build()
        )
        states = target.loader().table_states(SCHEMA, HOUR, ["seen", "identifies"])
        assert {table: state.binding for table, state in states.items()} == {
            "seen": False, "identifies": False, "tracks": False, "users": False, "accounts": True
        }  # fmt: skip
        batch = target.batch().add("seen", [first | {"x": "one", "context_size": "big"}, {"id": "b"}])
        batch.add("identifies", [{"id": "i", "user_id": "u", "age": "old"}])
        assert target.load(batch.build()).failed == ()
        assert values(target.read("seen"), "id", "x", "kept") == [("a", "one", 7), ("b", None, None)]
        assert values(target.read("tracks"), "context_size") == [("big",), (None,)]
        assert values(target.read("users"), "id", "age") == [("u", "old")]

    def test_states_tell_columns_and_whether_they_bind(self, target: Target) -> None:
        loader = target.loader()
        assert not any(state.exists for state in loader.table_states(SCHEMA, HOUR, ["seen"]).values())
        target.load(target.batch().add("seen", [{"id": "a", "x": 1}]).add("other", [{"id": "o"}]).build())
        now = loader.table_states(SCHEMA, HOUR, ["seen", "other", "unknown"])
        assert now["seen"].columns["x"] == Column("x", ColumnType.BIGINT)
        assert now["seen"].columns["received_at"].type is ColumnType.TIMESTAMP
        assert (now["seen"].binding, now["tracks"].binding, now["unknown"].exists) == (False, False, False)
        # `tracks` keeps the rows of `other` when `seen` alone is replaced.
        assert loader.table_states(SCHEMA, HOUR, ["seen"])["tracks"].binding
        later = loader.table_states(SCHEMA, HOUR.plus(1), ["seen"])
        assert (later["seen"].binding, later["tracks"].binding) == (True, True)

    def test_a_table_that_the_ledger_does_not_know_binds(self, target: Target) -> None:
        with target.warehouse.session(SCHEMA) as session:
            session.begin()
            session.execute(CreateSchema())
            session.execute(
                CreateTable("seen", (Column("id", ColumnType.VARCHAR, 512), Column("x", ColumnType.DOUBLE)))
            )
            session.commit()
        assert target.loader().table_states(SCHEMA, HOUR, ["seen"])["seen"].binding
        assert target.load(target.batch().add("seen", [{"id": "a", "x": 0.5}]).build()).failed == ()
        assert values(target.read("seen"), "id", "x", "uuid_ts") == [("a", 0.5, NAIVE_NOW)]

    def test_any_name_is_only_a_name(self, target: Target) -> None:
        row = {"id": "a", **{name: number for number, name in enumerate(NASTY_NAMES)}}
        batch = target.batch().add("注文完了", [row]).add("group", [row])
        assert target.load(batch.build()).failed == ()
        again = target.batch(HOUR.plus(1)).add("注文完了", [row, {"id": "b", 'a";--': 0.5}]).add("group", [row])
        assert target.load(again.build()).failed == ()
        assert target.read("group")[0].items() >= row.items()
        assert target.ids("注文完了") == ["a", "b"]

    def test_platform_tables_are_no_events(self, target: Target) -> None:
        report = target.load(target.batch().add("users", [{"id": "a"}]).add("seen", [{"id": "b"}]).build())
        assert statuses(report) == {"users": "failed", "seen": "loaded"}
        assert isinstance(report.failed[0].error, LoadError)

    def test_a_part_that_is_gone_fails_its_events_only(self, target: Target) -> None:
        batch = (
            target.batch().add("seen", [{"id": "a", "x": 1}]).add("lost", [{"id": "b", "x": "1"}]).build(shared=False)
        )
        target.forget(batch.packs[batch.tables[1].pack].parts[0])
        report = target.load(batch)
        assert statuses(report) == {"seen": "loaded", "lost": "failed"}
        assert isinstance(report.failed[0].error, LoadError)
        assert (target.ids("seen"), target.ids("tracks"), target.read("lost")) == (["a"], ["a"], [])
        assert [row.event for row in list_loads(target.warehouse, SCHEMA, SCHEMA)] == ["seen"]

    def test_counts_that_do_not_add_up_commit_nothing(self, target: Target) -> None:
        batch = target.batch().add("seen", [{"id": "a"}, {"id": "b"}]).add("other", [{"id": "o"}]).build()
        stream = batch.streams[0]
        wrong = StagedStream(stream.event, stream.digest, StreamCounts(objects=1, raw=3, rows=3))
        report = target.load(_with_streams(batch, wrong, batch.streams[1]))
        assert statuses(report) == {"seen": "failed", "other": "loaded"}
        assert isinstance(report.failed[0].error, ReconciliationError)
        assert "2 rows were written, 3 were counted" in str(report.failed[0].error)
        assert (target.read("seen"), target.ids("tracks")) == ([], ["o"])
        wrong = StagedStream(stream.event, stream.digest, StreamCounts(objects=1, raw=5, rows=2))
        report = target.load(_with_streams(batch, wrong))
        assert [type(outcome.error) for outcome in report.outcomes] == [ReconciliationError]
        assert target.read("seen") == []

    def test_reconciliation_finds_what_was_changed_behind_its_back(self, target: Target) -> None:
        batch = target.batch().add("seen", [{"id": "a"}], discards=[{"row_id": "a"}]).add("other", [{"id": "o"}])
        target.load(batch.build())
        assert reconcile(target.warehouse, SCHEMA, SCHEMA, HOUR) == []
        with target.warehouse.session(SCHEMA) as session:
            session.execute(DeleteHour("seen", HOUR))
            session.execute(DeleteHour("tracks", HOUR, ("other",)))
            session.execute(DeleteHour("_discards", HOUR))
        assert reconcile(target.warehouse, SCHEMA, SCHEMA, HOUR) == [
            Finding("other", "rows in tracks", 1, 0),
            Finding("seen", "rows in its table", 1, 0),
            Finding("seen", "rows in _discards", 1, 0),
        ]
        assert [f.event for f in reconcile(target.warehouse, SCHEMA, SCHEMA, HOUR, ["other"])] == ["other"]
        assert reconcile(target.warehouse, SCHEMA, SCHEMA, HOUR.plus(1)) == []

    def test_what_is_not_committed_is_undone(self, target: Target) -> None:
        target.load(target.batch().add("seen", [{"id": "a"}]).build())
        with target.warehouse.session(SCHEMA) as session:
            session.begin()
            session.execute(AddColumn("seen", Column("x", ColumnType.BIGINT)))
            assert session.execute(DeleteHour("seen", HOUR)) == 1
            session.rollback()
            session.begin()
            session.execute(DeleteHour("seen", HOUR))
        assert (target.ids("seen"), "x" in target.read("seen")[0]) == (["a"], False)

    def test_refusals_are_errors_that_end_the_transaction(self, target: Target) -> None:
        with target.warehouse.session(SCHEMA) as session:
            session.begin()
            with pytest.raises(LoadError, match="missing"):
                session.execute(DeleteHour("missing", HOUR))
            session.rollback()
            assert session.columns(["missing"]) == {}

    def test_nothing_was_ever_loaded(self, target: Target) -> None:
        assert list_loads(target.warehouse, SCHEMA, SCHEMA) == []
        assert reconcile(target.warehouse, SCHEMA, SCHEMA, HOUR) == []
        assert target.loader().already_loaded(SCHEMA, HOUR, {"seen": "x"}) == {}

    def test_the_ledgers_of_several_schemas_are_read_at_once(self, target: Target) -> None:
        target.load(target.batch().add("a", [{"id": "1"}]).add("b", [{"id": "1"}, {"id": "2"}]).build())
        target.load(target.batch(HOUR.plus(1)).add("a", [{"id": "3"}], rejected=2).build())
        with target.warehouse.session("elsewhere", read_only=True) as session:
            schemas = [schema for (schema,) in session.fetch(FindLedgers())]
            assert schemas == [SCHEMA]
            shop = ((SCHEMA, SCHEMA), (SCHEMA, "nobody"))

            def found(**filters: Any) -> list[tuple[str, str, int]]:
                rows = [LedgerRow.of(row) for row in session.fetch(ReadLedgers(shop, **({"since": HOUR} | filters)))]
                return sorted((row.event, str(row.hour), row.counts.raw) for row in rows)

            first, second, later = ("a", str(HOUR), 1), ("b", str(HOUR), 2), ("a", str(HOUR.plus(1)), 3)
            assert found() == sorted([first, second, later])
            assert found(since=HOUR.plus(1)) == [later]
            assert found(hours=(HOUR,)) == [first, second]
            assert found(events=("b", "c")) == [second]
            few = ReadLedgers(shop, HOUR, events=("b",), columns=("raw_records", "event"))
            assert session.fetch(few) == [(2, "b")]


def _with_streams(batch: StagedBatch, *streams: StagedStream) -> StagedBatch:
    return StagedBatch(
        batch.customer, batch.hour, batch.digest, streams, batch.packs, batch.tables, batch.tracks, batch.discards
    )
