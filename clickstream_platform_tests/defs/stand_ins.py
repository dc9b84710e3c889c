"""Definitions on the stand-in pipeline, and Dagster's answers in short form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any, cast

import dagster as dg

from clickstream_platform.defs.customers import assemble
from clickstream_platform.defs.platform import Platform
from clickstream_platform.defs.state import CustomerState, DefinitionsState
from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.opening import Offender, Pipeline
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.pipeline.stand_ins import StandInWiring

CLASHING = ("café", "caf_850f7dc439")
"""Two slugs with the same name in Dagster: the second is written like the name that the first one gets there."""


@dataclass(frozen=True)
class StandInPipeline(Pipeline):
    """The real pipeline on stand-in parts; `offenders` is what reconciling finds."""

    offenders: list[Offender] = field(default_factory=list)

    def reconcile(self, customer: str, hours: Iterable[Hour]) -> list[Offender]:
        return [each for each in self.offenders if each.hour in set(hours)]

    def loaded_digests(self, customer: str, event: str) -> dict[Hour, str]:
        ledger = cast("StandInWiring", self.wiring).loader.ledger
        return {at: entry.digest for (slug, at, name), entry in ledger.items() if (slug, name) == (customer, event)}


@dataclass
class Workbench:
    """An instance, a stand-in pipeline and the definitions of some customers."""

    customers: tuple[str, ...] = ("acme", "tiny")
    wiring: StandInWiring = field(default_factory=StandInWiring)

    def __post_init__(self) -> None:
        self.folder = TemporaryDirectory()
        self.instance = dg.DagsterInstance.ephemeral(self.folder.name)
        self.pipeline = StandInPipeline(cast("Wiring", self.wiring))
        customers, self.customers = self.customers, ()
        self.register(*customers)

    def register(self, *customers: str) -> None:
        """Add customers to the registry and load the definitions anew."""
        for customer in customers:
            self.wiring.registry.add_customer(customer)
        self.customers += customers
        self.state = state_of(*sorted(self.customers))
        self.defs = assemble(self.state, platform_on(self.pipeline))

    def close(self) -> None:
        """Leave nothing open."""
        self.instance.dispose()
        self.wiring.registry.close()
        self.folder.cleanup()

    def tick(self, sensor: str, cursor: str | None = None) -> Any:  # Dagster doesn't export what it is
        """Evaluate a sensor as the daemon does."""
        definition = self.defs.resolve_sensor_def(sensor)
        context = dg.build_sensor_context(
            self.instance, cursor=cursor, definitions=self.defs, resources={"platform": platform_on(self.pipeline)}
        )
        with context:
            return definition.evaluate_tick(context)

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Execute a requested run."""
        job = self.defs.resolve_implicit_global_asset_job_def()
        tags = {**request.tags, "dagster/run_key": request.run_key or ""}
        return job.execute_in_process(
            instance=self.instance, tags=tags, asset_selection=request.asset_selection, raise_on_error=False
        )

    def materialized(self, customer: str, step: str) -> dict[str, str]:
        """Return the status in the newest materialization of each partition."""
        records = self.instance.fetch_materializations(
            dg.AssetKey([customer, step]), limit=1000, ascending=True
        ).records
        return {
            str(record.partition_key): str(record.asset_materialization.metadata["status"].value)
            for record in records
            if record.asset_materialization
        }


def platform_on(pipeline: Pipeline) -> Platform:
    """Return a platform that opens this pipeline."""

    class StandInPlatform(Platform):
        @contextmanager
        def open(self) -> Iterator[Pipeline]:
            yield pipeline

    return StandInPlatform()


def state_of(*slugs: str) -> DefinitionsState:
    """Return the state of some customers on the embedded warehouse."""
    customers = tuple(CustomerState(slug, slug, "default", "duckdb") for slug in slugs)
    return DefinitionsState("2026-11-01T00", "team:clickstream", 30, 7200, customers)
