"""The exporter's probes: what is asked, kept, counted once, remembered and handed on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from clickstream_platform.errors import WarehouseUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.load.ledger_row import LedgerRow
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.findings import Finding
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.stream_status import StreamStatus
from clickstream_platform.model.streams import Stream
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.exporter import names
from clickstream_platform.observe.exporter.failures import Failure
from clickstream_platform.observe.exporter.figures import (
    CanaryFigures,
    EndedRun,
    FailedStream,
    InstanceFigures,
    OpenRun,
    WorkspaceFigures,
)
from clickstream_platform.observe.exporter.state import LedgerFigures
from clickstream_platform.pipeline.batcher_lag import batcher_lag
from clickstream_platform.pipeline.canary import CanaryState, write_canary
from clickstream_platform.pipeline.freshness.ports import LedgerAnswer, LedgerQuestion
from clickstream_platform.pipeline.freshness.report import FreshnessReport, Trouble
from clickstream_platform.pipeline.ledger_sums import LedgerLook
from clickstream_platform.pipeline.platform_metrics import PlatformProbes
from clickstream_platform.pipeline.platform_sources import RegistryFigures, Seen, Sources
from clickstream_platform.pipeline.platform_terms import Pages
from clickstream_platform.pipeline.platform_watches import (
    CanaryLook,
    SlowRuns,
    UnusualLook,
    load_failures,
    observation_of,
)
from clickstream_platform.pipeline.registry_figures import read_registry
from clickstream_platform.pipeline.unusual.thresholds import ThresholdBook
from clickstream_platform.pipeline.unusual.watching import UnusualReport, UnusualWatch
from clickstream_platform.registry import RegistryService, open_registry
from clickstream_platform.registry.entities import Snapshot
from clickstream_platform.registry.refusals import RegistryUnavailableError
from clickstream_platform.settings import Settings
from clickstream_platform_tests.observe.exporter.runs import ELEVEN, NOW, ended, stream


@dataclass
class StandInDagster:
    """Answers with what it was given."""

    runs: list[EndedRun] = field(default_factory=list)
    open: list[OpenRun] = field(default_factory=list)
    since: list[datetime] = field(default_factory=list)
    workspace: WorkspaceFigures | None = None

    def read_instance(self, now: datetime, customers: Iterable[str]) -> InstanceFigures:
        return InstanceFigures(now, {"queued": 0}, tuple(self.open), (), (), 0)

    def read_ended_runs(
        self, since: datetime, customers: Iterable[str], is_known: Callable[[str], bool]
    ) -> Iterator[Sequence[EndedRun]]:
        self.since.append(since)
        yield [run for run in self.runs if not is_known(run.run_id)]

    def read_past_runs(self, since: datetime, customers: Iterable[str]) -> Sequence[EndedRun]:
        return [ended(f"past{number}", minutes_ago=60 * (50 - number)) for number in range(50)]

    def read_workspace(self, now: datetime) -> WorkspaceFigures | None:
        return self.workspace


@dataclass
class StandInWatch:
    """Sees one late stream; notes the failures that it is told of."""

    interval_seconds: float = 1.0
    failures: list[Sequence[Failure]] = field(default_factory=list)

    def look(self, now: datetime, failures: Sequence[Failure]) -> Seen:
        self.failures.append(failures)
        finding = Finding("stream_late", "acme", "order", "late", now)
        observation = Observation([finding], frozenset({"stream_late"}))
        return Seen(observation, [stream("order", StreamStatus.LATE, 9.0)])


@dataclass
class Platform:
    """Probes on stand-in sources."""

    memory: Path | None = None
    dagster: StandInDagster = field(default_factory=StandInDagster)
    watch: StandInWatch = field(default_factory=StandInWatch)
    told: list[list[Observation]] = field(default_factory=list)

    def __post_init__(self) -> None:
        sources = Sources(
            lambda: RegistryFigures(("acme", "tiny")),
            self.dagster,
            lambda _: 10_000.0,
            {"freshness": self.watch},
            SlowRuns(ThresholdBook),
            alerts=lambda observations, _: self.told.append(list(observations)),
        )
        clock = FixedClock(NOW - timedelta(minutes=30))
        self.probes = PlatformProbes(sources, clock, pages=Pages(), memory=self.memory)
        clock.advance(timedelta(minutes=30))
        self.state = self.probes.state

    def ask(self) -> None:
        """Ask every source once, in the order of the probes."""
        for probe in self.probes.probes():
            assert probe.run(), probe.error


def test_every_source_is_asked_and_the_engine_is_told_all_of_it() -> None:
    platform = Platform()
    platform.dagster.runs = [ended("r1")]
    platform.dagster.workspace = WorkspaceFigures(NOW, True)
    platform.ask()
    assert [probe.name for probe in platform.probes.probes()] == [
        "registry",
        "dagster",
        "webserver",
        "batcher",
        "freshness",
        "alerts",
    ]
    (told,) = platform.told
    assert len(told) == len(platform.state.observations) == 6
    assert {finding.kind for each in told for finding in each.findings} == {"stream_late", "batcher_behind"}
    tallies = platform.state.counting.tallies.counters[names.RUNS.name]
    assert (tallies["acme", "success"], tallies["tiny", "success"]) == (1, 0)
    assert platform.state.instance is not None
    assert platform.state.workspace is not None
    assert platform.state.streams is not None


def test_ended_runs_are_looked_for_a_little_before_the_newest_and_counted_once() -> None:
    platform = Platform()
    platform.dagster.runs = [ended("r1")]
    for _ in range(3):
        platform.ask()
    assert platform.state.counting.tallies.counters[names.RUNS.name]["acme", "success"] == 1
    first, second, _ = platform.dagster.since
    assert (first, second) == (NOW - timedelta(minutes=40), NOW - timedelta(minutes=20))


def test_a_failed_run_is_told_to_the_watches_until_it_is_mended() -> None:
    platform = Platform()
    platform.dagster.runs = [ended("r1", outcome="failure", batches=())]
    platform.ask()
    platform.dagster.runs = [ended("r2", minutes_ago=1)]
    platform.ask()
    assert [[each.run_id for each in seen] for seen in platform.watch.failures] == [["r1"], []]


def test_a_run_is_slow_by_the_history_that_a_new_process_reads() -> None:
    platform = Platform()
    began = NOW - timedelta(hours=3)
    platform.dagster.open = [OpenRun("r1", "acme", "started", began, began, began, None)]
    platform.ask()
    (finding,) = platform.state.observations["runs"].findings
    assert (finding.kind, finding.customer) == ("run_slow", "acme")
    assert platform.state.counting.tallies.counters[names.RUNS.name]["acme", "success"] == 0, "the past is not counted"


def test_a_backfill_may_wait_and_work_for_any_time() -> None:
    platform = Platform()
    began = NOW - timedelta(hours=3)
    platform.dagster.open = [
        OpenRun("r1", "acme", "queued", began, began, None, None, is_backfill=True),
        OpenRun("r2", "acme", "started", began, began, began, None, is_backfill=True),
    ]
    platform.ask()
    assert platform.state.observations["runs"].findings == []


def test_a_new_process_goes_on_from_the_memory_of_the_last(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    first = Platform(path)
    first.dagster.runs = [ended("r1"), ended("r2", outcome="failure", batches=())]
    first.ask()
    second = Platform(path)
    second.dagster.runs = [*first.dagster.runs, ended("r3", minutes_ago=2)]
    second.ask()
    tallies = second.state.counting.tallies.counters[names.RUNS.name]
    assert (tallies["acme", "success"], tallies["acme", "failure"]) == (2, 1)


def test_a_registry_that_is_away_leaves_the_customers_as_they_were() -> None:
    platform = Platform()
    platform.ask()
    away = Sources(lambda: RegistryFigures((), "no answer", None))
    probes = PlatformProbes(away, FixedClock(NOW))
    probes.ask_registry()
    (finding,) = probes.state.observations["registry"].findings
    assert finding.kind == "registry_away"
    assert not probes.state.counting.tallies.counters


def test_reading_the_registry_never_fails() -> None:
    registry = open_registry("sqlite://", FixedClock(NOW))
    registry.add_customer("acme")
    assert read_registry(lambda: registry) == RegistryFigures(("acme",))
    registry.close()

    def refuse() -> RegistryService:
        raise RegistryUnavailableError("asking the registry", cause="no answer", remedy="Wait.")

    figures = read_registry(refuse)
    assert (figures.customers, figures.age_seconds) == ((), None)
    assert "no answer" in figures.trouble


def test_without_a_kinesis_stream_there_is_no_batcher_to_ask(tmp_path: Path) -> None:
    assert batcher_lag(Settings(home=tmp_path)) is None
    read = batcher_lag(Settings(home=tmp_path, kinesis_stream="events"))
    assert read is not None
    assert read(NOW) is None, "no shard was read yet"


# Watches


def test_a_failure_of_streams_is_one_for_each_and_of_a_run_one_for_each_hour() -> None:
    streams = (FailedStream("order", str(ELEVEN), "LoadError"), FailedStream("view", str(ELEVEN), "LoadError"))
    failures = [
        Failure("r1", "acme", (str(ELEVEN),), NOW, "", streams),
        Failure("r2", "acme", (str(ELEVEN), str(ELEVEN.plus(1))), NOW, "OSError"),
        Failure("r3", "tiny", (), NOW, "OSError"),
        Failure("r4", None, (), NOW, "OSError"),
    ]
    found = [(each.customer, each.event, each.hour, each.error) for each in load_failures(failures)]
    assert found == [
        ("acme", "order", ELEVEN, "LoadError"),
        ("acme", "view", ELEVEN, "LoadError"),
        ("acme", None, ELEVEN, "OSError"),
        ("acme", None, ELEVEN.plus(1), "OSError"),
        ("tiny", None, None, "OSError"),
    ]


@pytest.mark.parametrize(("looked_at", "is_complete"), [(71, False), (72, True)])
def test_until_all_hours_were_looked_at_nothing_is_over(looked_at: int, is_complete: bool) -> None:
    trouble = Trouble("warehouse_away", "main", NOW, "OSError", frozenset({"acme"}))
    report = FreshnessReport(NOW, {}, (trouble,), hours_looked_at=looked_at, hours_watched=72)
    observation = observation_of(report, Pages())
    assert observation.covers("stream_late", "tiny") is is_complete
    assert observation.covers("objects_away", None)
    assert not observation.covers("warehouse_away", None), "it is away, though not for long enough to be told"
    assert not observation.covers("stream_late", "acme"), "its warehouse did not answer"


@pytest.mark.parametrize(("waiting", "is_complete"), [(0, True), (3, False)])
def test_until_all_loads_were_judged_nothing_unusual_is_over(waiting: int, is_complete: bool) -> None:
    class StandInUnusual:
        def look(self) -> UnusualReport:
            return UnusualReport(NOW, {}, waiting, frozenset({"acme"}))

    look = UnusualLook(lambda: cast("UnusualWatch", StandInUnusual()))
    observation = look.look(NOW, ()).observation
    assert observation.covers("volume_drop", "tiny") is is_complete
    assert not observation.covers("volume_drop", "acme")


@dataclass
class StandInLedgers:
    """One warehouse for each customer; those named in `away` do not answer."""

    rows: dict[tuple[str, str, Hour], int] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    asked: list[tuple[Hour, ...]] = field(default_factory=list)

    def read(self, snapshot: Snapshot, question: LedgerQuestion) -> Iterator[LedgerAnswer]:
        self.asked.append(question.hours or ())
        for customer in question.customers:
            if customer in self.away:
                error = WarehouseUnavailableError("asking", cause="away", remedy="Wait.")
                yield LedgerAnswer(customer, (customer,), error=error)
                continue
            rows = [
                LedgerRow(name, event, hour, "d", StreamCounts(1, 10, n, n), "r", NOW, NOW).values()
                for (name, event, hour), n in self.rows.items()
                if name == customer and hour in (question.hours or ())
            ]
            yield LedgerAnswer(customer, (customer,), rows)


def test_the_canary_is_told_once_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "canary" / "state.json"
    look = CanaryLook(path)
    nothing = look.look(NOW, ())
    assert (nothing.canary, nothing.observation.kinds) == (None, frozenset())
    pending = {"canary-1": NOW - timedelta(hours=9)}
    state = CanaryState("canary", NOW, pending, sent=5, seen=4, read_at=NOW, latencies=(60.0, 90.0))
    write_canary(path, state)
    seen = look.look(NOW, ())
    assert seen.canary == CanaryFigures(NOW, 5, 4, 1, 90.0)
    assert [finding.kind for finding in seen.observation.findings] == ["canary_broken"]
    assert seen.observation.kinds == {"canary_broken", "canary_slow"}


@pytest.fixture
def registry() -> Iterator[RegistryService]:
    with open_registry("sqlite://", FixedClock(NOW)) as opened:
        opened.add_customer("acme")
        opened.add_customer("tiny")
        yield opened


def summed(look: LedgerLook, hours: int = 0) -> LedgerFigures:
    """Look some hours later."""
    figures = look.look(NOW + timedelta(hours=hours), ()).ledgers
    assert figures is not None
    return figures


def test_ledgers_are_summed_over_a_day(registry: RegistryService) -> None:
    view = ("acme", "view", ELEVEN.plus(-20))
    rows = {
        ("acme", "order", ELEVEN): 5,
        view: 50,
        ("acme", "view", ELEVEN.plus(-30)): 500,
        ("tiny", "view", ELEVEN): 7,
    }
    look = LedgerLook(lambda: registry, StandInLedgers(rows))
    figures = summed(look)
    assert (figures.rows, figures.read_bytes) == ({"acme": 55, "tiny": 7}, {"acme": 20, "tiny": 10})
    assert figures.top_streams == [
        (Stream("acme", "view"), 50),
        (Stream("tiny", "view"), 7),
        (Stream("acme", "order"), 5),
    ]
    assert summed(look, 2).rows == {"acme": 55, "tiny": 7}
    assert summed(look, 3).rows == {"acme": 5, "tiny": 7}, "an hour that is older than a day is left out"
    assert summed(look, 50).rows == {"acme": 0, "tiny": 0}


def test_only_what_runs_loaded_is_read_again(registry: RegistryService) -> None:
    ledgers = StandInLedgers({("acme", "order", ELEVEN): 5, ("tiny", "view", ELEVEN): 7})
    look = LedgerLook(lambda: registry, ledgers)
    summed(look)
    summed(look)
    assert [len(hours) for hours in ledgers.asked] == [24], "nothing ended, so nobody is asked"
    del ledgers.rows["acme", "order", ELEVEN]
    ledgers.rows |= {("acme", "view", ELEVEN): 6, ("tiny", "view", ELEVEN): 8}
    look.note([ended("r1")])
    assert summed(look).rows == {"acme": 6, "tiny": 7}
    assert ledgers.asked[1:] == [(ELEVEN,)]
    assert summed(look, 6).rows == {"acme": 6, "tiny": 8}, "everything, now and then"


def test_a_warehouse_that_is_away_leaves_its_sums_and_is_asked_again(registry: RegistryService) -> None:
    ledgers = StandInLedgers({("acme", "order", ELEVEN): 5})
    look = LedgerLook(lambda: registry, ledgers)
    summed(look)
    ledgers.rows["acme", "order", ELEVEN], ledgers.away = 6, {"acme"}
    look.note([ended("r1")])
    assert summed(look).rows == {"acme": 5}
    ledgers.away = set()
    assert summed(look).rows == {"acme": 6}
