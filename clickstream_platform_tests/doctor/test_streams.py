"""The doctor's lines about streams."""

from __future__ import annotations

from datetime import UTC, datetime

from clickstream_platform.doctor.findings import Status
from clickstream_platform.doctor.streams import MAX_LISTED, describe
from clickstream_platform.errors import WarehouseUnavailableError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.stream_status import StreamState, StreamStatus
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.judging import Judgement
from clickstream_platform.pipeline.freshness.report import Trouble, assemble

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def judgement(event: str, status: StreamStatus, lag_seconds: float = 0.0) -> Judgement:
    state = StreamState(Stream("acme", event), status, Hour.parse("2026-11-22T08"), NOW, lag_seconds, "3 hours wait")
    return Judgement(state, since=NOW)


def test_all_is_well() -> None:
    found = list(describe(assemble([judgement("click", StreamStatus.FRESH)], NOW, unwatched={"acme": 2})))
    assert [(each.status, each.detail) for each in found] == [(Status.OK, "1 fresh, 2 not watched")]


def test_no_stream_at_all() -> None:
    (found,) = describe(assemble([], NOW))
    assert (found.status, found.detail) == (Status.OK, "none to judge yet")


def test_offenders_are_named_the_worst_first_and_not_all_of_them() -> None:
    late = [judgement(f"event_{index:02}", StreamStatus.LATE, index) for index in range(MAX_LISTED + 2)]
    found = list(describe(assemble([*late, judgement("click", StreamStatus.FRESH)], NOW, hours=(3, 71))))
    assert found[0].status is Status.WARN
    assert found[0].detail == "1 fresh, 12 late; looked at 3 of 71 hours; 2 more than those below"
    assert len(found) == 1 + MAX_LISTED
    assert (found[1].check, found[1].detail) == (
        "acme/event_11",
        "late: 3 hours wait; complete up to 2026-11-22T08",
    )
    assert found[1].remedy == "See docs/runbooks/stream-late.md."


def test_a_warehouse_that_is_away_is_told() -> None:
    error = WarehouseUnavailableError("connecting")
    trouble = Trouble("warehouse_away", "main", NOW, type(error).__name__)
    found = list(describe(assemble([], NOW, troubles=[trouble])))
    assert (found[1].check, found[1].detail) == ("main", "does not answer: WarehouseUnavailableError")
