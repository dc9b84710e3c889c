"""What the exporter reads of Dagster: real runs of an instance, a real workspace, webservers that answer or do not."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from clickstream_platform.defs import failures, instance_metrics
from clickstream_platform.defs.driver import prepare_home
from clickstream_platform.defs.instance_metrics import (
    DagsterSource,
    names_of,
    read_ended_runs,
    read_instance,
    read_past_runs,
)
from clickstream_platform.defs.tags import BACKFILL_PRIORITY
from clickstream_platform.defs.workspace_metrics import read_workspace
from clickstream_platform.errors import ConfigurationError, WarehouseUnavailableError
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform.observe.exporter.figures import EndedRun, FailedStream, LocationState
from clickstream_platform.pipeline.opening import Offender
from clickstream_platform_tests.defs.stand_ins import Workbench
from clickstream_platform_tests.pipeline.stand_ins import NINE, NOW, TEN

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SLUGS = names_of(["acme", "tiny"])


def load(bench: Workbench, customer: str = "acme") -> dg.ExecuteInProcessResult:
    """Put three events into nine o'clock, tick and run."""
    for event in ("click", "order", "view"):
        bench.wiring.put(customer, event, NINE)
    return bench.run(bench.tick("hours").run_requests[0])


def ended_runs(bench: Workbench) -> list[EndedRun]:
    pages = read_ended_runs(bench.instance, LONG_AGO, SLUGS, lambda _: False)
    return [run for page in pages for run in page]


def test_a_run_tells_what_it_loaded_and_what_that_took(bench: Workbench) -> None:
    bench.pipeline.offenders.append(Offender("click", NINE, "one row too many"))
    assert load(bench).success
    (run,) = ended_runs(bench)
    assert (run.customer, run.outcome, run.hour, run.failed_streams) == ("acme", "success", str(NINE), ())
    assert run.created_at <= run.ended_at
    (batch,) = run.batches
    assert (batch.customer, batch.hour, batch.outcomes) == ("acme", str(NINE), {"loaded": 3})
    assert batch.counts == StreamCounts(objects=3, bytes=9, raw=36, rows=30, duplicates=3, rejected=3, discarded=0)
    assert (batch.commits, batch.copies) == (1, 1), "those of the batch, not of each of its streams"
    assert set(batch.step_seconds) == {"freeze", "stage", "load"}
    (check,) = run.checks
    assert (check.customer, check.check, check.has_failed) == ("acme", "reconciliation", True)


def test_a_failed_stream_is_named_with_the_class_of_its_error_only(bench: Workbench) -> None:
    bench.wiring.loader.refused = {"order"}
    load(bench)
    (run,) = ended_runs(bench)
    assert (run.outcome, run.has_failed, run.error) == ("failure", True, "")
    assert run.failed_streams == (FailedStream("order", str(NINE), "LoadError"),)
    assert run.batches[0].outcomes == {"loaded": 2}


def test_a_run_that_fails_as_a_whole_tells_the_class_of_the_cause(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "FIRST_WAIT_SECONDS", 0)
    away = WarehouseUnavailableError("connecting", cause="nobody's e-mail is a@b.example", remedy="Wait.")
    bench.wiring.loader.next_errors = [away] * (failures.MAX_RETRIES + 1)
    load(bench)
    (run,) = ended_runs(bench)
    assert (run.outcome, run.step_retries, run.failed_streams) == ("failure", failures.MAX_RETRIES, ())
    assert run.error
    assert "@" not in run.error


def test_hours_that_were_loaded_already_are_counted_as_that(bench: Workbench) -> None:
    load(bench)
    tags = {
        "dagster/asset_partition_range_start": "click|2026-11-22-09:00",
        "dagster/asset_partition_range_end": "view|2026-11-22-10:00",
    }
    job = bench.defs.resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey(["acme", "event_tables"])]
    assert job.execute_in_process(instance=bench.instance, tags=tags, asset_selection=keys).success
    first, second = sorted(ended_runs(bench), key=lambda run: run.ended_at)
    assert second.customer == "acme", "known by its assets, for a person's run has no tag of ours"
    batches = {batch.hour: batch for batch in second.batches}
    assert batches[str(NINE)].outcomes == {"already_loaded": 3}
    assert batches[str(NINE)].counts == StreamCounts()
    assert batches[str(TEN)].outcomes == {"empty": 3}
    assert first.batches[0].counts.rows == 30


def test_known_runs_are_not_read_again(bench: Workbench) -> None:
    load(bench)
    (run,) = ended_runs(bench)
    asked: list[str] = []

    def is_known(run_id: str) -> bool:
        asked.append(run_id)
        return True

    assert [*read_ended_runs(bench.instance, LONG_AGO, SLUGS, is_known)] == [[]]
    assert asked == [run.run_id]
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert [*read_ended_runs(bench.instance, later, SLUGS, is_known)] == []


def test_past_runs_tell_how_long_they_took_and_no_more(bench: Workbench) -> None:
    load(bench)
    (run,) = read_past_runs(bench.instance, LONG_AGO, SLUGS)
    assert (run.customer, run.outcome, run.batches) == ("acme", "success", ())
    assert run.ended_at >= run.created_at


def test_a_run_of_a_customer_that_is_newer_than_what_the_caller_knows(bench: Workbench) -> None:
    load(bench, "tiny")
    (page,) = read_ended_runs(bench.instance, LONG_AGO, {}, lambda _: False)
    (run,) = page
    assert (run.customer, run.batches[0].customer, run.batches[0].counts.rows) == ("tiny", "tiny", 30)


def test_the_instance_tells_open_runs_daemons_and_sensors(bench: Workbench, tmp_path: Path) -> None:
    job = bench.defs.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.from_config(str(prepare_home(tmp_path / "dagster"))) as instance:
        instance.create_run_for_job(
            job,
            tags={"clickstream/customer": "acme", "clickstream/hour": str(NINE), "dagster/max_runtime": "900"},
            status=dg.DagsterRunStatus.NOT_STARTED,
        )
        figures = read_instance(instance, NOW, SLUGS)
    assert figures.counts["not_started"] == 1
    assert sum(figures.counts.values()) == 1
    (run,) = figures.runs
    assert (run.customer, run.state, run.max_seconds, run.hour) == ("acme", "not_started", 900.0, str(NINE))
    assert {daemon.name for daemon in figures.daemons} >= {"SENSOR", "BACKFILL"}
    assert {daemon.heartbeat_at for daemon in figures.daemons} == {None}


def test_a_home_without_an_instance_is_told_with_what_to_do(tmp_path: Path) -> None:
    with DagsterSource(tmp_path, "") as source, pytest.raises(ConfigurationError, match="Set DAGSTER_HOME"):
        source.read_instance(NOW, [])


def test_an_instance_that_comes_later_is_opened_then(tmp_path: Path) -> None:
    with DagsterSource(tmp_path / "dagster", "") as source:
        prepare_home(tmp_path / "dagster")
        assert source.read_instance(NOW, []).counts["queued"] == 0
        assert [*source.read_ended_runs(LONG_AGO, [], lambda _: False)] == []
        assert source.read_workspace(NOW) is None


@contextmanager
def webserver(answer: Any) -> Iterator[str]:
    """Serve one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_locations_are_up_loading_or_broken() -> None:
    entries = [
        {"name": "up", "loadStatus": "LOADED", "locationOrLoadError": {"__typename": "RepositoryLocation"}},
        {"name": "new", "loadStatus": "LOADING", "locationOrLoadError": None},
        {
            "name": "broken",
            "loadStatus": "LOADED",
            "locationOrLoadError": {"__typename": "PythonError", "message": "ImportError: no\nTraceback"},
        },
        {
            "name": "leaking",
            "loadStatus": "LOADED",
            "locationOrLoadError": {
                "__typename": "PythonError",
                "message": "OperationalError: no answer of postgresql://dagster:hunter22horse@db/dagster",
            },
        },
    ]
    answer = {"data": {"workspaceOrError": {"__typename": "Workspace", "locationEntries": entries}}}
    with webserver(answer) as url:
        figures = read_workspace(f"{url}/", NOW)
    assert figures is not None
    assert figures.is_up
    assert figures.locations == (
        LocationState("up", True),
        LocationState("new", False, "loading"),
        LocationState("broken", False, "ImportError: no"),
        figures.locations[3],
    )
    leaked = figures.locations[3].error
    assert "hunter22horse" not in leaked, "it goes into alerts"
    assert leaked.startswith("OperationalError: no answer of postgresql://")


@pytest.mark.parametrize("answer", [{}, [], {"data": None}, {"errors": ["no"]}])
def test_an_answer_that_is_none_is_a_webserver_that_is_down(answer: Any) -> None:
    with webserver(answer) as url:
        figures = read_workspace(url, NOW)
    assert figures is not None
    assert not figures.is_up


def test_a_workspace_that_does_not_load_is_told() -> None:
    broken = {"data": {"workspaceOrError": {"__typename": "PythonError", "message": "no workspace"}}}
    with webserver(broken) as url:
        figures = read_workspace(url, NOW)
    assert figures is not None
    assert (figures.is_up, figures.error) == (True, "no workspace")


def test_a_webserver_that_speaks_no_http_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")

        threading.Thread(target=answer, daemon=True).start()
        figures = read_workspace(f"http://127.0.0.1:{server.getsockname()[1]}", NOW)
    assert figures is not None
    assert not figures.is_up


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(prepare_home(tmp_path / "dagster"))) as opened:
        yield opened


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job
def empty() -> None:
    """Do nothing in one step."""
    nothing()


def test_a_long_queue_hides_no_run_that_works(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance_metrics, "MAX_OPEN_RUNS", 2)
    for _ in range(3):
        instance.create_run_for_job(empty, status=dg.DagsterRunStatus.NOT_STARTED)
    working = instance.create_run_for_job(empty, status=dg.DagsterRunStatus.STARTED)
    figures = read_instance(instance, NOW, {})
    assert (figures.counts["not_started"], figures.counts["started"]) == (3, 1)
    assert [run.state for run in figures.runs] == ["not_started", "not_started", "started"]
    assert figures.runs[-1].run_id == working.run_id


def test_runs_of_backfills_are_known_as_such(instance: dg.DagsterInstance) -> None:
    for tags in ({"dagster/backfill": "b"}, {"dagster/priority": str(BACKFILL_PRIORITY)}, {"dagster/priority": "-9"}):
        instance.create_run_for_job(empty, tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert [run.is_backfill for run in read_instance(instance, NOW, {}).runs] == [True, True, False]


def test_more_runs_than_a_look_reads_are_read_by_the_next(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when all of them ended within the time that each look goes back, as cancelled queues do."""
    monkeypatch.setattr(instance_metrics, "PAGE", 2)
    monkeypatch.setattr(instance_metrics, "MAX_READ_RUNS", 3)
    known: set[str] = set()
    for _ in range(7):
        instance.create_run_for_job(empty, status=dg.DagsterRunStatus.CANCELED)
    for _ in range(4):
        for page in read_ended_runs(instance, LONG_AGO, {}, known.__contains__):
            assert not known & {run.run_id for run in page}
            known |= {run.run_id for run in page}
    assert len(known) == 7


def test_a_run_whose_events_cannot_be_read_is_counted_and_keeps_no_other_from_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load(bench)
    with monkeypatch.context() as patched:
        patched.setattr(Hour, "from_partition_key", lambda key: Hour.parse(f"nonsense {key} of a@b.example"))
        (run,) = ended_runs(bench)
    assert (run.customer, run.outcome, run.batches) == ("acme", "success", ())
    assert run.run_id in caplog.text
    assert "@" not in caplog.text, "the text of an error may quote a record"
