"""`clickstream logs`: from a line that a service logs to a line on the terminal, within five seconds."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clickstream_platform.cli import app
from clickstream_platform.cli.logs import moment_of
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.observe.logs.context import log_context
from clickstream_platform.observe.logs.ports import LogQuery
from clickstream_platform.observe.logs.reading import Follower
from clickstream_platform.observe.logs.redaction import redact_secrets
from clickstream_platform.pipeline.logs import link_to_run, open_index, remember_secrets, start_logging
from clickstream_platform.settings import Settings, load_settings
from clickstream_platform_tests.log_index_stand_in.server import LogIndexStandIn, running_log_index

FOUND_WITHIN_SECONDS = 5.0
log = logging.getLogger("clickstream_platform.tests")


@pytest.fixture(params=["opensearch", "elasticsearch"])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in: LogIndexStandIn
) -> Settings:
    for name, value in {"HOME": str(tmp_path), "LOG_INDEX_URL": stand_in.url, "LOG_INDEX_KIND": request.param}.items():
        monkeypatch.setenv(f"CLICKSTREAM_{name}", value)
    return load_settings()


@pytest.fixture
def stand_in() -> Iterator[LogIndexStandIn]:
    with running_log_index() as running:
        yield running


@pytest.fixture
def logged(settings: Settings) -> Settings:
    """Log a few lines as a batcher does, and end."""
    logs = start_logging("batcher", settings, has_console=False)
    with log_context(customer="acme", hour="2026-11-22T09", run_id="run-1"):
        log.info("the planted phrase of acme")
    with log_context(customer="tiny"):
        log.warning("the planted phrase of tiny, with \x1b[31m in it")
    assert logs.close(10.0) == 0
    return settings


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["logs", *arguments], catch_exceptions=False)


def test_a_phrase_is_found_by_text_and_customer_within_five_seconds(settings: Settings) -> None:
    logs = start_logging("batcher", settings, has_console=False)
    log.info("started")  # a service that runs has its client; loading it is no part of the time
    while "started" not in call("started").stdout:
        time.sleep(0.05)
    started = time.monotonic()
    with log_context(customer="acme"):
        log.info("the planted phrase of acme")
    with log_context(customer="tiny"):
        log.info("the planted phrase of tiny")
    while "planted" not in (out := call("planted phrase", "--customer", "acme").stdout):
        assert time.monotonic() - started < FOUND_WITHIN_SECONDS
        time.sleep(0.05)
    assert "phrase of acme" in out
    assert "tiny" not in out
    logs.close(5.0)


def test_lines_for_people_and_as_json(logged: Settings) -> None:
    out = call('"planted phrase"').stdout
    assert [text.split("Z ")[1] for text in out.splitlines()] == [
        "INFO    clickstream_platform.tests [acme 2026-11-22T09] the planted phrase of acme",
        "WARNING clickstream_platform.tests [tiny] the planted phrase of tiny, with \\x1b[31m in it",
    ]
    (fields,) = (json.loads(text) for text in call("--run", "run-1", "--json").stdout.splitlines())
    assert fields["clickstream.customer"] == "acme"
    assert fields["service.name"] == "batcher"


def test_filters(logged: Settings) -> None:
    assert len(call("planted", "--level", "warning").stdout.splitlines()) == 1
    assert len(call("planted", "--service", "batcher", "--since", "5m").stdout.splitlines()) == 2
    assert call("planted", "--since", "2999-01-01").stdout == ""
    assert call("phrase missing").stdout == ""
    assert len(call("planted", "--limit", "1").stdout.splitlines()) == 1


def test_following_shows_each_line_once_and_late_ones_too(settings: Settings, stand_in: LogIndexStandIn) -> None:
    logs = start_logging("batcher", settings, has_console=False)
    index = open_index(settings)
    follower = Follower(index, LogQuery("followed", limit=5), SystemClock())
    seen: list[str] = []

    def follow_until(message: str) -> None:
        deadline = time.monotonic() + FOUND_WITHIN_SECONDS
        while message not in seen:
            seen.extend(str(hit.fields["message"]) for hit in follower.read())
            assert time.monotonic() < deadline
            time.sleep(0.05)

    for number in range(3):
        log.info("followed %d", number)
        follow_until(f"followed {number}")
    late = {**next(iter(stand_in.engine.documents.values())), "message": "followed late"}
    stand_in.engine.documents["late"] = late
    follow_until("followed late")
    stand_in.stop()
    assert follower.read() == []
    stand_in.start()
    log.info("followed at last")
    follow_until("followed at last")
    assert len(seen) == len(set(seen)) == 5
    index.close()
    logs.close(5.0)


def test_follow_ends_with_an_interrupt(logged: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = threading.Event()

    def interrupt(_seconds: float) -> None:
        if calls.is_set():
            raise KeyboardInterrupt
        calls.set()

    monkeypatch.setattr("clickstream_platform.cli.logs.time.sleep", interrupt)
    result = call("planted", "--follow")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2


def test_without_an_index_the_command_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    result = call("x")
    assert result.exit_code == 1
    assert "Set CLICKSTREAM_LOG_INDEX_URL" in result.stderr


def test_the_index_is_set_up(settings: Settings, stand_in: LogIndexStandIn) -> None:
    result = CliRunner().invoke(app, ["log-index", "install", "--retention-days", "7"])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("installed /") == 2
    shown = json.loads(CliRunner().invoke(app, ["log-index", "show", "--retention-days", "7"]).stdout)
    assert shown == stand_in.engine.settings


def test_times() -> None:
    now = datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert moment_of("15m", now) == now - timedelta(minutes=15)
    assert moment_of("3d", now) == now - timedelta(days=3)
    assert moment_of("2026-11-22T08:00", now) == now - timedelta(hours=1)
    for text in ("yesterday", "9999999999d", "99999999999999999999d"):
        with pytest.raises(ConfigurationError, match="2026-11-22T09:00Z"):
            moment_of(text, now)


def test_the_link_to_a_run() -> None:
    assert link_to_run(Settings(), "r 1") == "clickstream logs --run r 1"
    settings = Settings(log_link="https://kibana.example/app/discover?q=clickstream.run_id:{run_id}&x={y}")
    assert link_to_run(settings, "r 1") == "https://kibana.example/app/discover?q=clickstream.run_id:r%201&x={y}"


def test_every_password_in_an_address_of_the_settings_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=data,api-key=the key of traces")
    remember_secrets(
        Settings(
            alerts_url="postgresql://u:of%20alerts%2F1@db/x",
            registry_url="postgresql+psycopg://u:ofRegistry@db/x",
            collector_metrics_urls="http://a:9000/metrics,http://u:ofCollector@b:9000/metrics",
            trace_endpoint="http://u:ofTraces@otel:4318",
        )
    )
    for secret in ("of alerts/1", "of%20alerts%2F1", "ofRegistry", "ofCollector", "ofTraces", "the key of traces"):
        assert redact_secrets(f"it was {secret}, they say") == "it was <masked>, they say"
