"""Opens the pipeline: the platform's parts put together for the hourly work.

Belongs here: handing settings and parts over. Does not: opening the parts (`wiring`), the work (`customer_hour`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.pipeline.customer_hour import CustomerHours
from clickstream_platform.pipeline.discovery import Discovery
from clickstream_platform.pipeline.replays import Replays
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring, open_wiring


@dataclass(frozen=True, slots=True)
class Offender:
    """A stream-hour that does not add up, and how."""

    event: str
    hour: Hour
    problem: str


@dataclass(frozen=True)
class Pipeline:
    """The hourly work with everything it needs, opened at first use."""

    wiring: Wiring

    @property
    def settings(self) -> Settings:
        """The settings it was opened with."""
        return self.wiring.settings

    @cached_property
    def discovery(self) -> Discovery:
        """The search for customer-hours that are ready."""
        return Discovery(
            self.wiring.objects,
            self.wiring.clock,
            first_hour=self.settings.first_hour(self.wiring.clock.now()),
            lookback_hours=self.settings.hours_lookback,
            grace_minutes=self.settings.hour_grace_minutes,
        )

    @cached_property
    def customer_hours(self) -> CustomerHours:
        """The work on customer-hours, from raw objects to tables."""
        wiring = self.wiring
        return CustomerHours(wiring.objects, wiring.registry, wiring.transformer, wiring.open_loader, wiring.clock)

    @cached_property
    def replays(self) -> Replays:
        """The loading of raw hours again."""
        wiring = self.wiring
        return Replays(wiring.objects, wiring.registry, self.discovery, self.customer_hours, wiring.list_loads)

    def loaded_digests(self, customer: str, event: str) -> dict[Hour, str]:
        """Return the input digest of each hour of an event in the ledger; see `pipeline.loaded_digests`."""
        from clickstream_platform.pipeline.loaded_digests import loaded_digests

        return loaded_digests(self.wiring, customer, event)

    def reconcile(self, customer: str, hours: Iterable[Hour]) -> list[Offender]:
        """Compare the ledger with the tables for these hours; raises RegistryError for an unknown customer."""
        from clickstream_platform.load.reconcile import reconcile

        owner = self.wiring.registry.get_customer(customer)
        warehouse, schema = self.wiring.open_warehouse(owner), self.wiring.schema_of(owner)
        return [
            Offender(finding.event, hour, f"{finding.what}: expected {finding.expected}, found {finding.actual}")
            for hour in sorted(set(hours))
            for finding in reconcile(warehouse, schema, customer, hour)
        ]


@contextmanager
def open_pipeline(settings: Settings | None = None, clock: Clock | None = None) -> Iterator[Pipeline]:
    """Open the pipeline for these settings (default: from the environment) and close it after use."""
    with open_wiring(settings, clock) as wiring:
        yield Pipeline(wiring)
