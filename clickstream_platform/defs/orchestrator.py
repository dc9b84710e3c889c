"""Partitions and runs of Dagster's instance, as following the registry asks for them.

Belongs here: translating. Does not: deciding what is to be done (`pipeline.registry_sync`).
"""

import logging
from collections.abc import Collection, Iterable, Sequence

import dagster as dg
from dagster._core.storage.dagster_run import CANCELABLE_RUN_STATUSES, NOT_FINISHED_STATUSES

from clickstream_platform.defs.partitions import RANGE_END, RANGE_START, event_of_key
from clickstream_platform.defs.state import dagster_name, events_name
from clickstream_platform.defs.tags import CUSTOMER_TAG, EVENT_TAG, PARTITION_TAG
from clickstream_platform.pipeline.registry_sync import UnfinishedRun

MAX_RUNS = 2_000


class DagsterOrchestrator:
    """The instance as a `pipeline.registry_sync.Orchestrator`."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        customers: Iterable[str],
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """Work on an instance; `customers` are the slugs whose runs are to be recognised by their assets.

        Where two have the same name in Dagster, the assets are those of the first.
        """
        self._instance, self._log = instance, log
        self._slugs: dict[str, str] = {}
        for slug in customers:
            self._slugs.setdefault(dagster_name(slug), slug)

    def list_events(self, customer: str) -> Sequence[str]:
        """Return the events that have partitions, in the order in which they got them."""
        return self._instance.get_dynamic_partitions(events_name(customer))

    def add_events(self, customer: str, events: Collection[str]) -> None:
        """Make partitions of events that have none, in one call."""
        self._instance.add_dynamic_partitions(events_name(customer), list(events))

    def delete_event(self, customer: str, event: str) -> None:
        """Take an event's partitions away; their history stays."""
        self._instance.delete_dynamic_partition(events_name(customer), event)

    def unfinished_runs(self) -> tuple[Sequence[UnfinishedRun], bool]:
        """Return our sensors' runs and those that people launched, and whether these are all."""
        filters = dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)
        runs = self._instance.get_runs(filters, limit=MAX_RUNS)
        found = [
            UnfinishedRun(run.run_id, customer, _event_of(run), run.status in CANCELABLE_RUN_STATUSES)
            for run in runs
            if (customer := self._customer_of(run)) is not None
        ]
        return found, len(runs) < MAX_RUNS

    def cancel(self, run: UnfinishedRun) -> bool:
        """End a run as the UI does; False, and a line in the log, when the launcher refuses."""
        try:
            return self._instance.run_coordinator.cancel_run(run.run_id)
        except Exception as error:  # noqa: BLE001 (each launcher has errors of its own; the next tick tries again)
            self._log.warning("run %s can't be cancelled: %s: %s", run.run_id, type(error).__name__, error)
            return False

    def _customer_of(self, run: dg.DagsterRun) -> str | None:
        if CUSTOMER_TAG in run.tags:
            return run.tags[CUSTOMER_TAG]
        names = {key.path[0] for key in run.asset_selection or ()}
        return self._slugs.get(names.pop()) if len(names) == 1 else None


def _event_of(run: dg.DagsterRun) -> str | None:
    """Return the one event of a run, None when it has several or can't be told."""
    if EVENT_TAG in run.tags:
        return run.tags[EVENT_TAG]
    ends = [run.tags[tag] for tag in (PARTITION_TAG, RANGE_START, RANGE_END) if tag in run.tags]
    events = {event_of_key(end) for end in ends}
    return events.pop() if len(events) == 1 else None
