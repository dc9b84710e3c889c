"""Probes against real answers: a Dagster instance, HTTP and gRPC servers, and nobody at all."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import grpc  # type: ignore[import-untyped]
import pytest
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from clickstream_platform.defs.driver import prepare_home
from clickstream_platform.defs.instance_metrics import read_instance
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.dagster_tables import DagsterStorageError, postgres_url, read_daemon
from clickstream_platform.health.__main__ import main
from clickstream_platform_tests.servers import answering_once
from clickstream_platform_tests.shared_data import REPOSITORY

NOW = datetime.now(UTC)
THREADS = ("SENSOR", "BACKFILL", "SCHEDULER")


def beat(instance: dg.DagsterInstance, daemon: str, seconds_ago: float, process: str = "this") -> None:
    """Write a heartbeat as the daemon does."""
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - seconds_ago, daemon, process, []))


def tick(
    instance: dg.DagsterInstance,
    sensor: str,
    seconds_ago: float,
    status: InstigatorStatus = InstigatorStatus.DECLARED_IN_CODE,
) -> None:
    """Write a sensor with one tick as the daemon does."""
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="none"), location_name="here")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), sensor)
    state = InstigatorState(origin, InstigatorType.SENSOR, status, SensorInstigatorData(min_interval=30))
    instance.add_instigator_state(state)
    instance.create_tick(
        TickData(
            instigator_origin_id=state.instigator_origin_id,
            instigator_name=sensor,
            instigator_type=InstigatorType.SENSOR,
            status=TickStatus.SKIPPED,
            timestamp=time.time() - seconds_ago,
            selector_id=state.selector_id,
        )
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a home whose daemon is well."""
    folder = prepare_home(tmp_path / "dagster")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        for daemon in THREADS:
            beat(instance, daemon, 5)
        tick(instance, "hours", 12)
        tick(instance, "registry", 900, InstigatorStatus.STOPPED)
    return folder


def probe(home: Path, *arguments: str) -> int:
    return main(["daemon", "--home", str(home), *arguments], {})


def test_the_tables_say_what_the_instance_says(home: Path) -> None:
    found = read_daemon(home, {})
    with dg.DagsterInstance.from_config(str(home)) as instance:
        figures = read_instance(instance, NOW, {})
    beats = {each.name: each.heartbeat_at for each in figures.daemons if each.heartbeat_at is not None}
    assert {each.daemon: each.at for each in found.beats} == beats
    sensors = [(each.name, each.interval_seconds, each.ticked_at) for each in figures.sensors if each.is_running]
    assert [(each.sensor, each.interval_seconds, each.at) for each in found.ticks] == sensors
    assert {each.process for each in found.beats} == {"this"}


def test_the_tables_in_postgresql_say_the_same(
    tmp_path: Path, postgresql_server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import psycopg2  # type: ignore[import-untyped]

    url = f"postgresql://postgres@/postgres?host={postgresql_server}"
    (tmp_path / "dagster.yaml").write_text("storage: {postgres: {postgres_url: {env: DATABASE_OF_DAGSTER}}}")
    monkeypatch.setenv("DATABASE_OF_DAGSTER", url)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        beat(instance, "SENSOR", 5)
        tick(instance, "hours", 12)
        heartbeats = instance.get_daemon_heartbeats()
    found = read_daemon(tmp_path, {"DATABASE_OF_DAGSTER": url.replace("postgresql://", "postgresql+psycopg2://")})
    assert [each.at.timestamp() for each in found.beats] == [pytest.approx(heartbeats["SENSOR"].timestamp)]
    assert [(each.sensor, each.interval_seconds) for each in found.ticks] == [("hours", 30.0)]
    assert main(["daemon", "--home", str(tmp_path)], {"DATABASE_OF_DAGSTER": url}) == 0
    away = {"DATABASE_OF_DAGSTER": "postgresql://somebody:secret@127.0.0.1:1/none"}
    assert main(["daemon", "--home", str(tmp_path), "--ready"], away) == 1
    told = capsys.readouterr().out
    assert psycopg2.OperationalError.__name__ in told
    assert "secret" not in told
    assert "somebody" not in told


@pytest.mark.parametrize(
    ("config", "url"),
    [
        (
            {"username": "u@x", "password": {"env": "PASSWORD"}, "hostname": "db", "db_name": "dagster"},
            "postgresql://u%40x:p%2F1@db:5432/dagster",
        ),
        (
            {"username": "u", "hostname": "db", "db_name": "d", "port": 6432, "params": {"sslmode": "require"}},
            "postgresql://u@db:6432/d?sslmode=require",
        ),
    ],
)
def test_the_parts_of_a_database_become_its_url(config: dict[str, Any], url: str) -> None:
    assert postgres_url({"postgres_db": config}, {"PASSWORD": "p/1"}) == url


def test_a_daemon_that_is_well(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert probe(home) == 0
    assert probe(home, "--ready") == 0
    assert capsys.readouterr().out.startswith("daemon: 3 threads, the oldest heartbeat ")


def test_a_thread_and_a_sensor_that_hang(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        beat(instance, "BACKFILL", 650)
    assert probe(home) == 1
    assert "no heartbeat of BACKFILL for 10 min" in capsys.readouterr().out
    assert probe(home, "--heartbeat-seconds", "1000") == 0
    assert probe(home, "--heartbeat-seconds", "1000", "--tick-seconds", "1") == 0, "never before five intervals"


def test_without_a_code_server_sensors_are_not_held_against_the_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = prepare_home(tmp_path / "dagster")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        beat(instance, "SENSOR", 1)
        tick(instance, "hours", 5_000)
    assert probe(folder) == 1
    assert probe(folder, "--at", "127.0.0.1:1") == 0
    assert "nothing listens on 127.0.0.1:1" in capsys.readouterr().out
    assert probe(folder, "--at", "127.0.0.1:1", "--ready") == 1


def test_a_database_that_does_not_answer_is_no_reason_to_restart(home: Path) -> None:
    (home / "history" / "runs.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(DagsterStorageError, match="asking Dagster's database"):
        read_daemon(home, {})
    assert (probe(home), probe(home, "--ready")) == (0, 1)


def test_a_database_that_is_locked_is_asked_all_the_same(home: Path) -> None:
    with sqlite3.connect(home / "history" / "runs.db") as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert probe(home) == 0


def test_a_home_without_an_instance_or_with_another_storage_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe(tmp_path) == 1
    assert "Set DAGSTER_HOME" in capsys.readouterr().out
    for text in ("storage: {mysql: {}}", "run_storage: {module: x, class: Y}"):
        (tmp_path / "dagster.yaml").write_text(text)
        with pytest.raises(ConfigurationError, match="neither SQLite nor PostgreSQL"):
            read_daemon(tmp_path, {})


class Answers(BaseHTTPRequestHandler):
    """A service: alive, not ready; a webserver that lists runs, or can't."""

    can_list = True

    def do_GET(self) -> None:
        self._send(503 if self.path == "/readyz" else 200, b"spool full" if self.path == "/readyz" else b"ok")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        kind = "Runs" if self.can_list else "PythonError"
        self._send(200, json.dumps({"data": {"runsOrError": {"__typename": kind}}}).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    """Give the address of a service."""
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize("name", ["registry", "collector", "batcher", "exporter"])
def test_a_service_that_lives_and_is_not_ready(name: str, service: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--at", service], {}) == 0
    assert main([name, "--at", service, "--ready"], {}) == 1
    assert capsys.readouterr().out.splitlines()[1] == f"{name}: {service}/readyz: 503 spool full"


def test_a_webserver_is_ready_when_it_lists_runs(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["webserver", "--at", service], {}) == 0
    assert main(["webserver", "--at", service, "--ready"], {}) == 0
    monkeypatch.setattr(Answers, "can_list", False)
    assert main(["webserver", "--at", service, "--ready"], {}) == 1


def test_nobody_there_or_no_answer_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["webserver", "--at", "http://127.0.0.1:1"], {}) == 1
    assert "refused" in capsys.readouterr().out
    with HTTPServer(("127.0.0.1", 0), Answers) as silent:  # it listens and never answers
        assert main(["exporter", "--at", f"http://127.0.0.1:{silent.server_port}", "--seconds", "0.3"], {}) == 1
    assert "timed out" in capsys.readouterr().out


def test_a_proxy_of_the_environment_is_not_asked(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert main(["collector", "--at", service], {}) == 0
    with code_server(health_pb2.HealthCheckResponse.SERVING) as address:
        assert main(["code-server", "--at", address], {}) == 0


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.6\r\n", b"", b"HTTP/1.1 x y\r\n"])
def test_an_answer_that_is_none_is_told_in_one_line(answer: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with answering_once(answer) as address:
        assert main(["exporter", "--at", address, "--seconds", "2"], {}) == 1
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE daemon_heartbeats SET body = 'no JSON'",
        "UPDATE daemon_heartbeats SET body = '{}'",
        "UPDATE daemon_heartbeats SET body = '[]'",
        "ALTER TABLE daemon_heartbeats RENAME TO heartbeats_of_a_newer_dagster",
    ],
)
def test_tables_that_another_dagster_writes_are_no_reason_to_restart(
    home: Path, statement: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(home / "history" / "runs.db") as connection:
        connection.execute(statement)
    assert (probe(home), probe(home, "--ready")) == (0, 1)
    assert "can't tell" in capsys.readouterr().out


@contextmanager
def code_server(status: int) -> Iterator[str]:
    """Serve the health protocol as Dagster's code server does."""
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    servicer.set("DagsterApi", status)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize(
    ("status", "code"),
    [(health_pb2.HealthCheckResponse.SERVING, 0), (health_pb2.HealthCheckResponse.NOT_SERVING, 1)],
)
def test_a_code_server_is_asked_by_grpcs_own_protocol(status: int, code: int) -> None:
    with code_server(status) as address:
        assert main(["code-server", "--at", address], {}) == code


def test_a_code_server_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["code-server", "--at", "127.0.0.1:1", "--seconds", "2"], {}) == 1
    assert "DagsterApi on 127.0.0.1:1: unavailable" in capsys.readouterr().out


def test_a_probe_loads_neither_dagster_nor_pydantic(home: Path) -> None:
    code = (
        "import sys; from clickstream_platform.health.__main__ import main; code = main(sys.argv[1:]); "
        "print(sorted({'dagster', 'pydantic', 'sqlalchemy', 'typer', 'grpc'} & set(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "daemon"],
        capture_output=True,
        text=True,
        env={"DAGSTER_HOME": str(home), "PATH": os.environ["PATH"]},
        cwd=REPOSITORY,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, ["[]"]), done.stderr
