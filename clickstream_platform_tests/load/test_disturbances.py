"""What a load does when something goes wrong: wait, go on without the broken stream, or say what happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clickstream_platform.errors import LoadError, StaleStagingError, StatementStoppedError, WarehouseUnavailableError
from clickstream_platform.load.batch_load import MAX_SET_APART
from clickstream_platform.load.reconcile import reconcile
from clickstream_platform.load.report import LoadReport
from clickstream_platform.load.retry import RetryPolicy
from clickstream_platform.load.statements import AddColumn, CreateFilled, InsertLoads, InsertStaged, StagePack
from clickstream_platform.model.staging import StagedBatch
from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.contracts.warehouse import statuses
from clickstream_platform_tests.load.faulty import FaultyWarehouse, Step
from clickstream_platform_tests.targets import SCHEMA, Target, duckdb_target

EVENTS = [f"event_{number}" for number in range(8)]


@pytest.fixture
def target(tmp_path: Path) -> Target:
    target = duckdb_target(tmp_path)
    target.warehouse = FaultyWarehouse(target.warehouse)
    return target


def faulty(target: Target) -> FaultyWarehouse:
    assert isinstance(target.warehouse, FaultyWarehouse)
    return target.warehouse


def batch_of(target: Target, *events: str) -> StagedBatch:
    batch = target.batch()
    for event in events:
        batch.add(event, [{"id": "a"}, {"id": "b"}])
    return batch.build()


def fails(
    condition: Callable[[Step], bool], error: Exception, times: int = 10**9
) -> Callable[[Step], Exception | None]:
    """Return a fault that raises the error the first so many times that the condition holds."""
    left = [times]

    def fault(step: Step) -> Exception | None:
        if left[0] and condition(step):
            left[0] -= 1
            return error
        return None

    return fault


def writes(*tables: str) -> Callable[[Step], bool]:
    """Return the condition that a step inserts into one of the tables."""

    def condition(step: Step) -> bool:
        insert = step.insert if isinstance(step, CreateFilled) else step
        return isinstance(insert, InsertStaged) and insert.table in tables

    return condition


def unavailable() -> WarehouseUnavailableError:
    return WarehouseUnavailableError("connecting", cause="lost", remedy="It is tried again.")


def refused() -> LoadError:
    return LoadError("inserting", cause="the warehouse refuses it", remedy="Look at it.")


def check_loaded(target: Target, report: LoadReport, *failed: str) -> None:
    """Check that all events but `failed` are there, once and completely."""
    assert [outcome.event for outcome in report.failed] == list(failed)
    good = [outcome.event for outcome in report.outcomes if outcome.event not in failed]
    tables = target.read_all(*good, *failed, "tracks", "_loads")
    assert {event: len(tables[event]) for event in good} == dict.fromkeys(good, 2)
    assert len(tables["tracks"]) == 2 * len(good)
    assert sorted(row["event"] for row in tables["_loads"]) == sorted(good)
    assert not any(tables[event] for event in failed)
    assert reconcile(target.warehouse, SCHEMA, SCHEMA, HOUR) == []


@pytest.mark.parametrize("step", ["open", "begin", "commit"])
def test_a_lost_connection_is_tried_again_after_a_pause(target: Target, step: str) -> None:
    pauses: list[float] = []
    policy = RetryPolicy(attempts=4, first_pause_seconds=1, sleep=pauses.append, jitter=lambda: 0.5)
    faulty(target).fault = fails(lambda seen: seen == step, unavailable(), times=3)
    report = target.load(batch_of(target, *EVENTS), retry=policy)
    faulty(target).fault = lambda _: None
    assert (pauses, report.commits) == ([0.5, 1, 2], 1)
    check_loaded(target, report)


def test_a_connection_that_stays_lost_is_raised(target: Target) -> None:
    faulty(target).fault = fails(lambda step: isinstance(step, InsertLoads), unavailable())
    with pytest.raises(WarehouseUnavailableError):
        target.load(batch_of(target, *EVENTS))
    assert faulty(target).names().count("begin") == 3
    assert target.read("tracks") == []


def test_a_connection_lost_while_committing_loads_nothing_twice(target: Target) -> None:
    faulty(target).fault = fails(lambda step: step == "committed", unavailable(), times=1)
    report = target.load(batch_of(target, *EVENTS))
    assert set(statuses(report).values()) == {"already_loaded"}
    check_loaded(target, report)


def test_a_broken_stream_costs_the_others_one_more_transaction(target: Target) -> None:
    faulty(target).fault = fails(writes("event_3"), refused())
    report = target.load(batch_of(target, *EVENTS))
    assert report.commits == 1
    assert faulty(target).names().count("begin") == 3  # together, together without it, it alone
    check_loaded(target, report, "event_3")
    assert isinstance(report.failed[0].error, LoadError)


def test_a_broken_stream_that_works_alone_is_loaded(target: Target) -> None:
    faulty(target).fault = fails(writes("event_3"), refused(), times=1)
    report = target.load(batch_of(target, *EVENTS))
    assert report.commits == 2
    check_loaded(target, report)


def test_with_many_broken_streams_each_gets_its_own_transaction(target: Target) -> None:
    broken = EVENTS[: MAX_SET_APART + 2]
    faulty(target).fault = fails(writes(*broken), refused())
    report = target.load(batch_of(target, *EVENTS))
    assert report.commits == len(EVENTS) - len(broken)
    check_loaded(target, report, *broken)


def test_what_is_nobodys_fault_is_tried_stream_by_stream_from_packs_read_once(target: Target) -> None:
    faulty(target).fault = fails(writes("tracks"), refused(), times=1)
    report = target.load(batch_of(target, *EVENTS))
    assert report.commits == len(EVENTS)
    staged = [step.name for step in faulty(target).steps if isinstance(step, StagePack)]
    assert staged == ["pack_0", "pack_1", "pack_0", "pack_1"]
    check_loaded(target, report)


def test_a_connection_lost_stream_by_stream_keeps_what_was_loaded(target: Target) -> None:
    first = fails(writes("tracks"), refused(), times=1)
    later = fails(writes("event_5"), unavailable())
    batch = batch_of(target, *EVENTS)
    faulty(target).fault = lambda step: (
        first(step) or (later(step) if faulty(target).names().count("begin") > 1 else None)
    )
    report = target.load(batch)
    assert set(statuses(report).values()) == {"loaded", "failed"}
    check_loaded(target, report, "event_5", "event_6", "event_7")
    assert isinstance(report.failed[0].error, WarehouseUnavailableError)
    faulty(target).fault = lambda _: None
    again = target.load(batch)
    assert (again.commits, len(list(again.having(again.outcomes[-1].status)))) == (1, 3)
    check_loaded(target, again)


def test_a_stream_whose_statement_is_stopped_every_time_holds_back_no_other(target: Target) -> None:
    stopped = StatementStoppedError("running an INSERT", cause="its time limit", remedy="Raise it.")
    faulty(target).fault = fails(writes("event_3"), stopped)
    report = target.load(batch_of(target, *EVENTS))
    assert report.commits == 1
    assert faulty(target).names().count("begin") == 4  # twice together, together without it, it alone
    faulty(target).fault = lambda _: None
    check_loaded(target, report, "event_3")
    assert report.failed[0].error is stopped


def test_a_statement_stopped_once_is_tried_again(target: Target) -> None:
    stopped = StatementStoppedError("running an INSERT", cause="a person", remedy="Ask them.")
    faulty(target).fault = fails(writes("event_3"), stopped, times=1)
    report = target.load(batch_of(target, *EVENTS))
    assert report.commits == 1
    check_loaded(target, report)


def test_a_change_outside_the_transaction_that_is_refused_costs_one_more_transaction(target: Target) -> None:
    target.load(batch_of(target, *EVENTS))
    faulty(target).outside = (AddColumn,)
    faulty(target).fault = fails(lambda step: isinstance(step, AddColumn) and step.table == "event_3", refused())
    batch = target.batch()
    for event in EVENTS:
        batch.add(event, [{"id": "a", "context_os": "BSD"}])
    report = target.load(batch.build())
    assert report.commits == 1
    assert [outcome.event for outcome in report.failed] == ["event_3"]


def test_stale_rows_are_not_tried_again(target: Target) -> None:
    target.load(target.batch(HOUR.plus(-1)).add("seen", [{"id": "x", "n": "text"}]).build())
    faulty(target).steps.clear()
    report = target.load(target.batch().add("seen", [{"id": "a", "n": 1}]).build())
    assert [type(outcome.error) for outcome in report.outcomes] == [StaleStagingError]
    assert faulty(target).names().count("begin") == 1


def test_changes_that_no_transaction_takes_are_made_before_it(target: Target) -> None:
    target.load(target.batch(HOUR.plus(-1)).add("seen", [{"id": "x"}]).build())
    faulty(target).outside = (AddColumn,)
    faulty(target).steps.clear()
    batch = target.batch().add("seen", [{"id": "a", "n": 1, "context_os": "BSD"}]).build()
    # Killed after the changes: they are there already when it is tried again.
    faulty(target).fault = fails(writes("seen"), unavailable(), times=1)
    report = target.load(batch)
    names = [name for name in faulty(target).names() if name in ("begin", "AddColumn", "InsertStaged", "commit")]
    assert names == [
        "begin", "AddColumn", "AddColumn", "AddColumn", "begin", "InsertStaged",
        "begin", "InsertStaged", "InsertStaged", "commit",
    ]  # fmt: skip
    assert (report.failed, target.ids("seen"), target.read("seen")[0]["n"]) == ((), ["a", "x"], 1)
