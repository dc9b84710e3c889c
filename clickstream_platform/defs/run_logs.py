"""Logs of runs: Dagster hands each line and event of a run to this handler, and a run knows where its lines are.

dagster.yaml names the handler (`python_logs`), so every run pod has it, whatever launched the run. Belongs here: what
Dagster calls. Does not: lines (`observe.logs.ecs`), settings (`pipeline.logs`).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dagster as dg

from clickstream_platform.defs.tags import CUSTOMER_TAG, EVENT_TAG, HOUR_TAG
from clickstream_platform.errors import ClickstreamError
from clickstream_platform.observe.logs.context import log_context
from clickstream_platform.observe.logs.starting import running_logs
from clickstream_platform.pipeline.logs import RUN_SERVICE, link_to_run, start_logging
from clickstream_platform.settings import Settings, load_settings

LOGS_TAG = "clickstream/logs"
CODE_SERVER_SERVICE = "dagster"
# Of each of Dagster's own events these say nothing that another line doesn't.
_SILENT = frozenset({"LOGS_CAPTURED", "ASSET_MATERIALIZATION_PLANNED", "RESOURCE_INIT_STARTED", "STEP_WORKER_STARTING"})


class RunLogHandler(logging.Handler):
    """Puts what a run or tick logs onto the process's logs, which it starts: lines from a level on, and all events."""

    def __init__(self, lines_from: str = "INFO") -> None:
        """Start the logs of this process, unless they run; a faulty setting stops no run."""
        super().__init__()
        self._lines_from = logging.getLevelNamesMapping().get(lines_from, logging.INFO)
        with suppress(ClickstreamError):
            start_run_logs()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record on; raises nothing and waits for nothing."""
        logs, action = running_logs(), _action(record)
        if logs is not None and action not in _SILENT and (action or record.levelno >= self._lines_from):
            logs.handler.emit(record)


class TickLogHandler(logging.Handler):
    """Puts what a sensor logs in a tick onto the process's logs."""

    def __init__(self, sensor: str) -> None:
        """Name the sensor in its lines."""
        super().__init__(logging.INFO)
        self._sensor = sensor

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record on; raises nothing and waits for nothing."""
        if (logs := running_logs()) is not None:
            with log_context(job=self._sensor):
                logs.handler.emit(record)


def follow_tick(context: dg.SensorEvaluationContext, sensor: str) -> None:
    """Send what this tick of a sensor logs; to be called at its beginning, for each tick has a logger of its own."""
    if running_logs() is not None:
        context.log.addHandler(TickLogHandler(sensor))


def start_run_logs(settings: Settings | None = None) -> None:
    """Start the logs of a run's process, if there is an index; the console is Dagster's, which the webserver shows."""
    settings = settings or load_settings()
    if settings.log_index_url:
        start_logging(RUN_SERVICE, settings, has_console=False, adopts=False, ends_on_sigterm=False)


def start_code_server_logs(settings: Settings) -> None:
    """Start the logs of the code server, if there is an index; it lives long, so it sends what runs have left."""
    if settings.log_index_url:
        start_logging(CODE_SERVER_SERVICE, settings, ends_on_sigterm=False)


@contextmanager
def run_log_context(run: dg.DagsterRun) -> Iterator[None]:
    """Give lines of plain loggers inside the block the run's customer, event, hour and id."""
    tags = run.tags
    with log_context(
        customer=tags.get(CUSTOMER_TAG), event=tags.get(EVENT_TAG), hour=tags.get(HOUR_TAG), run_id=run.run_id
    ):
        yield


def tag_with_link(instance: dg.DagsterInstance, run: dg.DagsterRun, settings: Settings) -> str:
    """Tag a run with where its lines are, and return it."""
    link = link_to_run(settings, run.run_id)
    if run.tags.get(LOGS_TAG) != link:
        instance.add_run_tags(run.run_id, {LOGS_TAG: link})
    return link


def link_metadata(link: str) -> dict[str, dg.MetadataValue]:
    """Return a materialization's metadata entry that leads to the lines of its run."""
    is_address = link.startswith(("http://", "https://"))
    return {"logs": dg.MetadataValue.url(link) if is_address else dg.MetadataValue.text(link)}


def _action(record: logging.LogRecord) -> str:
    metadata = record.__dict__.get("dagster_meta") or {}
    return str(getattr(metadata.get("dagster_event"), "event_type_value", ""))
