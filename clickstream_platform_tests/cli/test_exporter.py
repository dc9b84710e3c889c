"""`clickstream exporter`: the metrics of what is kept on disk, as Prometheus reads them."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from clickstream_platform.gateways.clock import FixedClock, SystemClock
from clickstream_platform.observe.snapshot_age import SnapshotAgeCollector
from clickstream_platform.registry.client.ages import count_waiting, read_ages
from clickstream_platform.registry.client.cache import SnapshotCache
from clickstream_platform.registry.client.kept import KeptSnapshot, header_of
from clickstream_platform.registry.client.outbox import Announcement, Outbox
from clickstream_platform.settings import child_environment, load_settings

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


def keep(folder: Path, component: str, confirmed_at: datetime) -> None:
    """Keep a snapshot, whatever is in it: only its header is read."""
    folder.mkdir(parents=True, exist_ok=True)
    SnapshotCache(folder, component).save(KeptSnapshot(header_of('"e"', confirmed_at, b"body"), b"body"))


def samples(text: str) -> dict[tuple[str, str], float]:
    """Return the values by metric and component."""
    return {
        (sample.name, sample.labels.get("component", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(folder: Path, clock: FixedClock) -> dict[tuple[str, str], float]:
    metrics = CollectorRegistry()
    metrics.register(SnapshotAgeCollector(lambda: read_ages(folder, clock.now), lambda: count_waiting(folder)))
    return samples(generate_latest(metrics).decode())


def test_each_scrape_reads_the_ages_of_all_components_and_what_waits(tmp_path: Path) -> None:
    clock = FixedClock(NOW)
    keep(tmp_path, "pipeline", NOW - timedelta(seconds=5))
    keep(tmp_path, "collector", NOW + timedelta(seconds=5))
    (tmp_path / "broken.snapshot.gz").write_bytes(b"no snapshot")
    (tmp_path / "other.txt").write_text("not ours")
    age, waiting = "clickstream_registry_snapshot_age_seconds", "clickstream_registry_announcements_waiting"
    assert scrape(tmp_path, clock) == {(age, "pipeline"): 5, (age, "collector"): 0, (waiting, ""): 0}
    clock.advance(timedelta(minutes=10))
    Outbox(tmp_path).put(Announcement("acme", "2026-11-22T09", {}), NOW, has_new_events=True)
    assert scrape(tmp_path, clock) == {(age, "pipeline"): 605, (age, "collector"): 595, (waiting, ""): 1}
    keep(tmp_path, "pipeline", clock.now())
    assert scrape(tmp_path, clock)[age, "pipeline"] == 0


@contextmanager
def exporter(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command; end it at the end of the block."""
    program = "from clickstream_platform.cli import main; main()"
    environment = child_environment(load_settings(), COLUMNS="200")
    with subprocess.Popen(
        [sys.executable, "-c", program, "exporter", *arguments], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.e2e  # processes that start
def test_the_command_serves_them_until_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    keep(tmp_path / "registry-cache", "pipeline", SystemClock().now() - timedelta(minutes=10))
    with exporter("--port", "0") as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        url = next(word.rstrip(",") for word in line.split() if word.startswith("http://127.0.0.1:"))
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = samples(answer.read().decode())
        assert 600 <= found["clickstream_registry_snapshot_age_seconds", "pipeline"] < 700
        port = url.split(":")[2].split("/")[0]
        with exporter("--port", port) as second:
            assert second.wait(timeout=60) == 1
            assert second.stderr is not None
            assert "Choose another --port" in second.stderr.read()
