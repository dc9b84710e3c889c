"""Runs: what Dagster logs of them reaches the index with customer, hour and run id, and the run knows where."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import pytest
import yaml

from clickstream_platform.defs.in_process import open_instance
from clickstream_platform.defs.run_logs import LOGS_TAG, RunLogHandler, start_code_server_logs
from clickstream_platform.observe.logs.starting import running_logs
from clickstream_platform.settings import load_settings
from clickstream_platform_tests.defs.stand_ins import Workbench
from clickstream_platform_tests.log_index_stand_in.server import LogIndexStandIn, running_log_index
from clickstream_platform_tests.pipeline.stand_ins import NINE

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LogIndexStandIn]:
    """Give the index that this process's settings name."""
    with running_log_index() as stand_in:
        monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
        monkeypatch.setenv("CLICKSTREAM_LOG_INDEX_URL", stand_in.url)
        yield stand_in


@pytest.fixture
def bench(index: LogIndexStandIn) -> Iterator[Workbench]:
    """Give an instance that has the project's own handler of log lines."""
    workbench = Workbench()
    workbench.instance.dispose()
    settings = {"python_logs": yaml.safe_load((PROJECT / "dagster.yaml").read_text())["python_logs"]}
    with TemporaryDirectory() as folder:
        workbench.instance = dg.DagsterInstance.ephemeral(folder, settings=settings)
        yield workbench
    workbench.close()


def run_nine(bench: Workbench) -> dg.ExecuteInProcessResult:
    for event in ("click", "order"):
        bench.wiring.put("acme", event, NINE)
    return bench.run(bench.tick("hours").run_requests[0])


def sent(index: LogIndexStandIn) -> list[dict[str, object]]:
    """End the logs and return the lines of runs."""
    logs = running_logs()
    assert logs is not None
    assert logs.close(20.0) == 0
    return [each for each in index.engine.documents.values() if "clickstream.run_id" in each]


def test_a_runs_lines_and_events_are_sent_with_what_they_are_about(bench: Workbench, index: LogIndexStandIn) -> None:
    result = run_nine(bench)
    lines = sent(index)
    assert {each["clickstream.run_id"] for each in lines} == {result.run_id}
    assert {each["clickstream.customer"] for each in lines} == {"acme"}
    assert {each["clickstream.hour"] for each in lines} == {"2026-11-22T09"}
    assert {each["service.name"] for each in lines} == {"run"}
    texts = [str(each["message"]) for each in lines]
    assert "acme 2026-11-22T09: froze 2 events" in texts
    actions = {each.get("event.action") for each in lines}
    assert {"STEP_START", "STEP_SUCCESS", "ASSET_MATERIALIZATION"} <= actions
    # Each line once: Dagster's own loggers and ours don't both send it.
    assert texts.count("acme 2026-11-22T09: froze 2 events") == 1


def test_a_failure_is_sent_with_its_error(bench: Workbench, index: LogIndexStandIn) -> None:
    bench.wiring.loader.refused = {"order"}
    assert not run_nine(bench).success
    (failure,) = (each for each in sent(index) if each.get("event.action") == "STEP_FAILURE")
    assert failure["log.level"] == "error"
    assert "loading for acme/order" in str(failure["error.message"])
    assert "Mend it." in str(failure["error.message"])


def test_the_run_and_its_materializations_lead_to_the_lines(
    bench: Workbench, index: LogIndexStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run_nine(bench)
    run = bench.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags[LOGS_TAG] == f"clickstream logs --run {result.run_id}"
    event = bench.instance.get_latest_materialization_event(dg.AssetKey(["acme", "event_tables"]))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["logs"] == dg.MetadataValue.text(run.tags[LOGS_TAG])


def test_an_index_that_is_away_fails_no_run(bench: Workbench, index: LogIndexStandIn) -> None:
    index.stop()
    assert run_nine(bench).success
    logs = running_logs()
    assert logs is not None
    assert logs.close(0.3) > 0


def test_faulty_settings_stop_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_LOG_FORMAT", "verse")
    RunLogHandler().emit(logging.makeLogRecord({"msg": "x"}))
    assert running_logs() is None


def test_what_a_sensor_logs_in_a_tick_is_sent(bench: Workbench, index: LogIndexStandIn) -> None:
    start_code_server_logs(load_settings())
    bench.wiring.put("acme", "click", NINE)
    bench.tick("hours")
    bench.tick("registry")
    logs = running_logs()
    assert logs is not None
    assert logs.close(20.0) == 0
    lines = list(index.engine.documents.values())
    assert {each["clickstream.job"] for each in lines} == {"hours", "registry"}
    assert {each["service.name"] for each in lines} == {"dagster"}
    assert any("1 runs to request" in each["message"] for each in lines)


def test_without_an_index_nothing_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    RunLogHandler().emit(logging.makeLogRecord({"msg": "x"}))
    assert running_logs() is None
    assert list(tmp_path.iterdir()) == []


def test_lines_of_plain_loggers_in_a_run_have_its_id(bench: Workbench, index: LogIndexStandIn) -> None:
    original = bench.wiring.transformer.stage

    def stage(*arguments: Any, **named: Any) -> Any:
        logging.getLogger("clickstream_platform.load.retry").warning("the plain logger's line")
        return original(*arguments, **named)

    bench.wiring.transformer.stage = stage  # type: ignore[method-assign]
    result = run_nine(bench)
    (line,) = [each for each in sent(index) if each["message"] == "the plain logger's line"][:1]
    assert line["clickstream.run_id"] == result.run_id
    assert line["clickstream.customer"] == "acme"


def test_the_projects_dagster_yaml_is_loadable(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text((PROJECT / "dagster.yaml").read_text())
    with open_instance(tmp_path) as instance:
        assert any(isinstance(handler, RunLogHandler) for handler in instance.get_handlers())
