"""The exporter's probes when something is wrong: a source that is away, a kill, a clock that lies, a damaged file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from clickstream_platform.errors import ClickstreamError, ConfigurationError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.exporter import names
from clickstream_platform.observe.exporter.figures import EndedRun, InstanceFigures
from clickstream_platform.observe.exporter.tallies import save_document
from clickstream_platform.pipeline.ledger_sums import LedgerLook
from clickstream_platform.pipeline.platform_metrics import FRESH, PlatformProbes
from clickstream_platform.pipeline.platform_sources import RegistryFigures, Sources
from clickstream_platform.registry import RegistryService, open_registry
from clickstream_platform.registry.refusals import RegistryUnavailableError
from clickstream_platform_tests.observe.exporter.runs import ELEVEN, NOW, ended
from clickstream_platform_tests.pipeline.test_platform_metrics import (
    Platform,
    StandInDagster,
    StandInLedgers,
    StandInWatch,
    summed,
)


def successes(probes: PlatformProbes, customer: str = "acme") -> float:
    return probes.state.counting.tallies.counters[names.RUNS.name][customer, "success"]


def test_what_a_probe_found_long_ago_is_not_handed_on_as_if_it_were_so_now() -> None:
    """The alert engine leaves alone what nobody looked at; "nothing found" of an hour ago would end alerts."""
    clock, told = FixedClock(NOW), list[list[Observation]]()
    probes = PlatformProbes(Sources(lambda: RegistryFigures(("acme",))), clock)
    probes.ask_registry()
    probes.ask_watch("freshness", StandInWatch())
    clock.advance(FRESH)
    probes.ask_watch("freshness", StandInWatch())
    probes.tell(lambda observations, _: told.append(list(observations)))
    assert [[set(each.kinds) for each in at_once] for at_once in told] == [[{"registry_away"}, {"stream_late"}]]
    clock.advance(timedelta(seconds=1))
    probes.tell(lambda observations, _: told.append(list(observations)))
    assert [set(each.kinds) for each in told[1]] == [{"stream_late"}], "the registry was not asked for too long"


def test_what_a_scrape_has_seen_outlives_a_kill(tmp_path: Path) -> None:
    """A counter that is smaller after a restart would make Prometheus add all of it once more."""
    first = Platform(tmp_path / "memory.json")
    first.dagster.runs = [ended("r1")]
    first.probes.ask_registry()
    first.probes.ask_dagster(first.dagster)
    assert successes(first.probes) == 1
    second = Platform(tmp_path / "memory.json")
    assert successes(second.probes) == 1


def test_a_disk_that_is_full_keeps_no_run_from_being_counted(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    platform = Platform(tmp_path / "folder" / "memory.json")
    platform.dagster.runs = [ended("r1")]
    platform.probes.ask_dagster(platform.dagster)
    assert successes(platform.probes) == 1
    with pytest.raises(OSError, match="folder"):
        platform.probes.remember()


def test_a_run_whose_clock_is_ahead_hides_no_other() -> None:
    platform = Platform()
    platform.dagster.runs = [ended("r1", minutes_ago=-120)]
    platform.ask()
    platform.dagster.runs.append(ended("r2", minutes_ago=1))
    platform.ask()
    platform.ask()
    assert successes(platform.probes) == 2


def test_a_registry_without_customers_is_believed() -> None:
    customers = ["acme"]
    probes = PlatformProbes(Sources(lambda: RegistryFigures(tuple(customers))), FixedClock(NOW))
    probes.ask_registry()
    customers.clear()
    probes.ask_registry()
    assert not probes.state.counting.tallies.counters[names.RUNS.name]


def test_failures_of_a_customer_that_is_gone_are_nobody_s() -> None:
    customers = ["acme", "tiny"]
    dagster = StandInDagster()
    dagster.runs = [ended(name, name, 1, outcome="failure", batches=()) for name in customers]
    probes = PlatformProbes(Sources(lambda: RegistryFigures(tuple(customers)), dagster), FixedClock(NOW))
    probes.ask_dagster(dagster)
    customers.remove("acme")
    probes.ask_registry()
    probes.ask_dagster(dagster)
    assert [each.customer for each in probes.state.observations["dagster"].findings] == ["tiny"]


class NamingDagster(StandInDagster):
    """Notes the customers by whose names it is to know runs."""

    def read_ended_runs(
        self, since: datetime, customers: Iterable[str], is_known: Callable[[str], bool]
    ) -> Iterator[Sequence[EndedRun]]:
        self.named = list(customers)
        return super().read_ended_runs(since, customers, is_known)


def test_runs_are_read_when_the_customers_are_known_whichever_probe_is_first() -> None:
    dagster = NamingDagster()
    probes = PlatformProbes(Sources(lambda: RegistryFigures(("acme",)), dagster), FixedClock(NOW))
    probes.ask_dagster(dagster)
    assert dagster.named == ["acme"]


class AwayDagster(StandInDagster):
    """Raises what it is told to, while it is told to."""

    error: Exception | None = None

    def read_instance(self, now: datetime, customers: Iterable[str]) -> InstanceFigures:
        if self.error is not None:
            raise self.error
        return super().read_instance(now, customers)


def test_a_dagster_that_cannot_be_read_for_long_is_told_without_the_text_of_the_error() -> None:
    dagster, clock = AwayDagster(), FixedClock(NOW)
    probes = PlatformProbes(Sources(lambda: RegistryFigures(("acme",)), dagster), clock)
    probes.ask_dagster(dagster)
    healthy = probes.state.observations["dagster"]
    dagster.error = OSError("postgresql://dagster:secret@db")
    for minutes, expected in ((5, []), (1, ["daemon_unhealthy"])):
        clock.advance(timedelta(minutes=minutes))
        with pytest.raises(OSError, match="secret"):
            probes.ask_dagster(dagster)
        assert [each.kind for each in probes.state.observations["dagster"].findings] == expected
    (finding,) = probes.state.observations["dagster"].findings
    assert (finding.since, dict(finding.detail)) == (NOW, {"error": "OSError"})
    assert probes.state.observations["dagster"].kinds == {"daemon_unhealthy"}, "of runs nobody knows"
    dagster.error = None
    probes.ask_dagster(dagster)
    assert probes.state.observations["dagster"] == healthy


def test_an_exporter_without_a_dagster_finds_nothing_wrong_with_it() -> None:
    dagster, clock = AwayDagster(), FixedClock(NOW)
    dagster.error = ConfigurationError("opening Dagster's instance", cause="none", remedy="Set DAGSTER_HOME.")
    probes = PlatformProbes(Sources(lambda: RegistryFigures(("acme",)), dagster), clock)
    clock.advance(timedelta(hours=1))
    with pytest.raises(ConfigurationError):
        probes.ask_dagster(dagster)
    assert "dagster" not in probes.state.observations


@pytest.mark.parametrize("document", [{}, {"failures": [], "counters": {"x": 1}}, {"failures": [{}]}])
def test_a_memory_of_another_form_is_told_and_counting_starts_anew(
    tmp_path: Path, document: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    save_document(tmp_path / "memory.json", document)
    platform = Platform(tmp_path / "memory.json")
    platform.dagster.runs = [ended("r1")]
    platform.ask()
    assert successes(platform.probes) == 1
    assert "memory.json" in caplog.text
    assert json.loads((tmp_path / "memory.json").read_text())["counters"]


def test_the_past_counts_once_among_the_times_of_runs() -> None:
    taken: list[str] = []

    class Judge:
        def take(self, runs: Iterable[EndedRun]) -> None:
            taken.extend(run.run_id for run in runs)

        def judge(self, runs: object, now: datetime) -> Observation:
            return Observation((), frozenset())

    dagster = StandInDagster()
    dagster.runs = [*dagster.read_past_runs(NOW, ())]
    clock = FixedClock(NOW - timedelta(hours=20))  # of the fifty, the last twenty ended since
    probes = PlatformProbes(Sources(lambda: RegistryFigures(("acme",)), runs=Judge()), clock)
    clock.advance(timedelta(hours=20))
    probes.ask_dagster(dagster)
    assert len(taken) == len(set(taken)) == 50


@pytest.fixture
def registry() -> Iterator[RegistryService]:
    with open_registry("sqlite://", FixedClock(NOW)) as opened:
        opened.add_customer("acme")
        yield opened


def test_ledgers_that_could_not_be_read_at_the_start_are_read_at_the_next_look(registry: RegistryService) -> None:
    answers = [RegistryUnavailableError("asking the registry", cause="no answer", remedy="Wait.")]

    def open_or_refuse() -> RegistryService:
        if answers:
            raise answers.pop()
        return registry

    look = LedgerLook(open_or_refuse, StandInLedgers({("acme", "order", ELEVEN): 5}))
    with pytest.raises(ClickstreamError):
        look.look(NOW, ())
    assert summed(look).rows == {"acme": 5}


def test_hours_that_runs_loaded_while_the_registry_was_away_are_read_when_it_is_back(
    registry: RegistryService,
) -> None:
    is_away = [False]

    def open_or_refuse() -> RegistryService:
        if is_away[0]:
            raise RegistryUnavailableError("asking the registry", cause="no answer", remedy="Wait.")
        return registry

    ledgers = StandInLedgers({("acme", "order", ELEVEN): 5})
    look = LedgerLook(open_or_refuse, ledgers)
    summed(look)
    ledgers.rows["acme", "order", ELEVEN] = 6
    look.note([ended("r1")])
    is_away[0] = True
    with pytest.raises(ClickstreamError):
        look.look(NOW, ())
    is_away[0] = False
    assert summed(look).rows == {"acme": 6}
