"""The exporter's parts as its command wires them: a late stream is told to a webhook, once, in spite of restarts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from clickstream_platform.cli.exporter import _platform
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream
from clickstream_platform.settings import load_settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.gateways.notification_servers import HttpInbox, http_inbox
from clickstream_platform_tests.pipeline.freshness.parts import ledger_row, put, write_ledger

STREAM = Stream("acme", "page")
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
HOUR = Hour.of(NOW).plus(-5)
ROUTES = """
channels:
  hook: {url: "env:TEST_HOOK"}
timing: {resolve_after_seconds: 0}
routes:
  - {name: all, channels: [hook]}
"""


class Exporter:
    """The exporter of one home, whose processes follow each other on one clock."""

    def __init__(self, home: Path) -> None:
        self.settings = load_settings({"CLICKSTREAM_HOME": str(home)})
        self.clock = FixedClock(NOW)
        self.wiring = Wiring(self.settings, self.clock)

    @contextmanager
    def process(self) -> Iterator[None]:
        """Let one process ask everything twice, two minutes apart, and end; there is no Dagster to be asked."""
        with ExitStack() as stack:
            platform = _platform(self.settings, self.wiring, CollectorRegistry(), stack)
            for _ in range(2):
                self.clock.advance(timedelta(seconds=121))
                for probe in platform.probes():
                    assert probe.run() or probe.name == "dagster", probe.error
            yield


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpInbox]:
    with http_inbox() as opened:
        monkeypatch.setenv("TEST_HOOK", f"json://127.0.0.1:{opened.port}/hook")
        yield opened


def titles(inbox: HttpInbox) -> list[str]:
    return [body["title"] for _, body in inbox.requests]


def test_a_late_stream_is_told_once_and_so_is_its_end_whichever_process_tells(tmp_path: Path, inbox: HttpInbox) -> None:
    exporter = Exporter(tmp_path)
    registry = exporter.wiring.registry_service
    registry.add_customer("acme")
    registry.add_event("acme", "page", freshness_deadline_minutes=30)
    put(exporter.wiring, STREAM, HOUR)
    [path] = (tmp_path / "objects").rglob("*.ndjson.gz")
    written_at = (HOUR.end - timedelta(minutes=1)).timestamp()
    os.utime(path, (written_at, written_at))
    (tmp_path / "alert-routes.yaml").write_text(ROUTES)
    with exporter.process():
        assert titles(inbox) == ["CRITICAL: acme: stream late"]
    with exporter.process():
        assert titles(inbox) == ["CRITICAL: acme: stream late"], "a restart tells nothing again"
    write_ledger(Path(exporter.settings.duckdb), [ledger_row(STREAM, HOUR)])
    with exporter.process():
        assert titles(inbox) == ["CRITICAL: acme: stream late", "RESOLVED: acme: stream late"]


def test_a_broken_routes_file_ends_no_probe_but_that_of_alerts_and_counts_once_mended(
    tmp_path: Path, inbox: HttpInbox
) -> None:
    exporter, metrics = Exporter(tmp_path), CollectorRegistry()
    (tmp_path / "alert-routes.yaml").write_text("routes: []")

    def is_valid() -> float | None:
        return metrics.get_sample_value("clickstream_alerts_routes_valid")

    with ExitStack() as stack:
        probes = {each.name: each for each in _platform(exporter.settings, exporter.wiring, metrics, stack).probes()}
        assert (probes["registry"].run(), probes["alerts"].run(), is_valid()) == (True, False, 0)
        assert "alert-routes.yaml: there is no route" in probes["alerts"].error
        (tmp_path / "alert-routes.yaml").write_text(ROUTES)
        assert (probes["alerts"].run(), is_valid()) == (True, 1)
        assert metrics.get_sample_value("clickstream_alerts_evaluated_timestamp_seconds") == NOW.timestamp()
