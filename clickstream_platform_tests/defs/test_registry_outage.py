"""The registry's process is killed while hours are loading: sensors and runs go on, and catch up when it is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from clickstream_platform.defs import customers, platform
from clickstream_platform.defs.driver import DrivenRun, DriveReport, drive, prepare_home
from clickstream_platform.gateways.clock import FixedClock, SystemClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.opening import open_pipeline
from clickstream_platform.registry import RegistryService, open_registry
from clickstream_platform.registry.client.ages import read_ages
from clickstream_platform.registry.client.cached import CachedRegistry
from clickstream_platform.registry.client.status import Source
from clickstream_platform.registry.entities import Policy
from clickstream_platform.settings import load_settings
from clickstream_platform.wiring import Wiring, open_wiring
from clickstream_platform_tests.defs.test_driver import LOCATION, put
from clickstream_platform_tests.registry.client.real_api import RegistryProcess

pytestmark = pytest.mark.e2e  # sensors, queue and run workers as processes


@dataclass
class Deployment:
    """A home, a registry's process, and a clock that every tick and run goes by."""

    home: Path
    clock: FixedClock
    registry: RegistryService
    process: RegistryProcess

    def open(self) -> Wiring:
        """Open the platform as a new process would."""
        return open_wiring(load_settings(), self.clock)

    def put(self, *streams: str, hour: Hour, number: int = 1) -> None:
        """Put raw objects of `customer/event`."""
        with self.open() as wiring:
            for stream in streams:
                customer, _, event = stream.partition("/")
                put(wiring, customer, event, hour, number)

    def drive(self, on_run: Callable[[DrivenRun], None] = lambda _: None) -> DriveReport:
        """Let the sensors tick and the runs run until nothing is left to do."""
        return drive(prepare_home(self.home / "dagster"), LOCATION, on_run=on_run)

    def rows(self, customer: str) -> dict[str, int]:
        """Return the rows in the ledger, by event."""
        with self.open() as wiring:
            rows: dict[str, int] = {}
            for each in wiring.list_loads(wiring.registry.get_customer(customer)):
                rows[each.event] = rows.get(each.event, 0) + each.counts.rows
            return rows

    def client(self) -> CachedRegistry:
        """Return the registry as sensors and runs have it."""
        registry = self.open().registry
        assert isinstance(registry, CachedRegistry)
        return registry


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    database = f"sqlite:///{tmp_path / 'central' / 'registry.db'}"
    clock = FixedClock(SystemClock().now())
    process = RegistryProcess(database, tmp_path / "registry.log")
    with open_registry(database, clock) as registry:
        _, token = registry.add_token("dagster", "loader")
        registry.add_customer("acme")
        registry.add_customer("careful", policy=Policy(auto_activate=False))
        home = tmp_path / "home"
        monkeypatch.setenv("CLICKSTREAM_HOME", str(home))
        monkeypatch.setenv("CLICKSTREAM_REGISTRY_API_URL", process.url)
        monkeypatch.setenv("CLICKSTREAM_REGISTRY_TOKEN_REFERENCE", "env:LOADER_TOKEN")
        monkeypatch.setenv("CLICKSTREAM_REGISTRY_TIMEOUT_SECONDS", "2")
        monkeypatch.setenv("CLICKSTREAM_DAGSTER_WEBSERVER_URL", "")
        monkeypatch.setenv("LOADER_TOKEN", token)
        monkeypatch.setattr(platform, "open_pipeline", partial(open_pipeline, clock=clock))
        monkeypatch.setattr(customers, "open_wiring", partial(open_wiring, clock=clock))
        process.start()
        try:
            yield Deployment(home, clock, registry, process)
        finally:
            process.kill()


def test_nothing_fails_while_the_registry_is_killed_and_changes_apply_when_it_is_back(deployment: Deployment) -> None:
    now, hour = deployment.clock.now(), Hour.of(deployment.clock.now()).plus(-2)
    deployment.put("acme/sale", "acme/view", hour=hour)
    deployment.put("acme/sale", "acme/view", hour=hour.plus(-1), number=2)
    killed: list[str] = []

    def kill_at_the_first_run(run: DrivenRun) -> None:
        if not killed:
            deployment.process.kill()
            killed.append(run.hour)
            deployment.clock.advance(timedelta(minutes=10))

    report = deployment.drive(kill_at_the_first_run)
    assert killed
    assert [run.is_success for run in report.runs] == [True, True]
    assert deployment.rows("acme") == {"sale": 10, "view": 10}

    # What a scrape shows meanwhile, and what people are told.
    assert read_ages(deployment.home / "registry-cache", deployment.clock.now) == {"pipeline": 600}
    with deployment.client() as client:
        assert client.age_seconds() == 600
        assert "does not answer" in client.describe_age()

    # New events arrive, and somebody pauses one in the registry's database; nobody here can know.
    deployment.registry.pause_event("acme", "view")
    deployment.put("acme/fresh", "acme/sale", "careful/maybe", hour=hour, number=3)
    meanwhile = deployment.drive()
    assert [(run.customer, run.is_success) for run in meanwhile.runs] == [("acme", True)]
    assert deployment.rows("acme") == {"sale": 15, "view": 10, "fresh": 5}
    assert deployment.rows("careful") == {}
    assert {event.slug for event in deployment.registry.list_events("acme")} == {"sale", "view"}

    # The registry is back: it hears of what arrived, and the pause applies.
    deployment.process.start()
    deployment.put("acme/view", "acme/sale", hour=hour, number=4)
    assert [(run.customer, run.is_success) for run in deployment.drive().runs] == [("acme", True)]
    assert deployment.rows("acme") == {"sale": 20, "view": 10, "fresh": 5}
    events = {event.slug: event.state.value for event in deployment.registry.list_events("acme")}
    assert events == {"fresh": "active", "sale": "active", "view": "paused"}
    (maybe,) = deployment.registry.list_events("careful")
    assert (maybe.state.value, maybe.first_seen_hour, maybe.seen_records) == ("discovered", str(hour), 0)
    with deployment.client() as client:
        assert client.status().source is Source.API
        assert (client.age_seconds(), client.status().waiting) == (0, 0)
    assert deployment.clock.now() - now == timedelta(minutes=10)


def test_a_run_without_the_registry_and_without_its_own_disk_takes_the_copy_in_the_object_store(
    deployment: Deployment,
) -> None:
    hour = Hour.of(deployment.clock.now()).plus(-2)
    deployment.put("acme/sale", hour=hour)

    def lose_registry_and_disk(run: DrivenRun) -> None:
        deployment.process.kill()
        for path in (deployment.home / "registry-cache").glob("*.gz"):
            path.unlink()

    assert [run.is_success for run in deployment.drive(lose_registry_and_disk).runs] == [True]
    assert deployment.rows("acme") == {"sale": 5}


def test_an_event_that_was_added_while_the_registry_was_away_gets_its_hours(deployment: Deployment) -> None:
    hour = Hour.of(deployment.clock.now()).plus(-2)
    deployment.put("acme/sale", hour=hour)
    deployment.drive()
    deployment.process.kill()
    deployment.clock.advance(timedelta(minutes=1))
    deployment.put("careful/maybe", hour=hour)
    deployment.drive()
    assert deployment.rows("careful") == {}, "by the policy in the snapshot a new event of this customer waits"
    deployment.registry.add_event("careful", "maybe")
    deployment.process.start()
    for _ in range(3):
        deployment.clock.advance(timedelta(minutes=5))
        deployment.drive()
    assert deployment.registry.get_event("careful", "maybe").activation == 2
    assert deployment.rows("careful") == {"maybe": 5}
