"""`clickstream canary` against a small real HTTP server, a real registry and a real table."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
from typer.testing import CliRunner

from clickstream_platform.cli.canary import STATE_FILE, canary_command
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.pipeline.canary import read_canary
from clickstream_platform.registry import open_registry
from clickstream_platform.settings import Settings


class Collector(ThreadingHTTPServer):
    """Takes requests with the right key and keeps them."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.events: list[dict[str, Any]] = []
        self.keys: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One POST."""

    server: Collector

    def do_POST(self) -> None:
        """Keep the event and answer as arranged."""
        self.server.events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.keys.append(base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode())
        self.send_response(self.server.status if self.path == "/v1/track" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("CANARY_KEY", "wk_secret")
    with open_registry(Settings(home=tmp_path).registry, SystemClock()) as registry:
        registry.add_customer("canary")
    commands = typer.Typer()
    commands.command()(canary_command)
    return commands


def run(app: typer.Typer, collector: Collector, *more: str) -> Any:
    arguments = ["--write-key", "env:CANARY_KEY", "--url", collector.url, "--once", *more]
    return CliRunner().invoke(app, arguments)


def test_an_event_is_sent_and_found_again_as_a_row(app: typer.Typer, collector: Collector, tmp_path: Path) -> None:
    result = run(app, collector, "--json")
    assert result.exit_code == 0, result.output
    assert (json.loads(result.stdout)["sent"], json.loads(result.stdout)["seen"]) == (1, 0)
    assert collector.keys == ["wk_secret:"]
    (event,) = collector.events
    assert (event["event"], event["messageId"][:7]) == ("Canary Beat", "canary-")
    with duckdb.connect(Settings(home=tmp_path).duckdb) as connection:
        connection.execute("CREATE SCHEMA canary")
        connection.execute(
            "CREATE TABLE canary.canary_beat AS SELECT ? AS id, ?::TIMESTAMPTZ::TIMESTAMP AS received_at, "
            "(?::TIMESTAMPTZ + INTERVAL 90 MINUTE)::TIMESTAMP AS uuid_ts",
            [event["messageId"], event["timestamp"], event["timestamp"]],
        )
    told = json.loads(run(app, collector, "--json").stdout)
    assert (told["sent"], told["seen"], len(told["pending"]), told["findings"]) == (2, 1, 1, [])
    state = read_canary(tmp_path / STATE_FILE)
    assert state is not None
    assert state.newest_latency_seconds == pytest.approx(5400, abs=0.01)
    assert "90.0 minutes" in run(app, collector).output


def test_a_look_by_hand_promises_no_other_one(app: typer.Typer, collector: Collector, tmp_path: Path) -> None:
    for arguments, seconds in (((), 0.0), (("--every", "600"), 600.0)):
        assert run(app, collector, *arguments).exit_code == 0
        state = read_canary(tmp_path / STATE_FILE)
        assert state is not None
        assert state.every_seconds == seconds


def test_a_refusal_is_kept_and_never_shows_the_key(app: typer.Typer, collector: Collector, tmp_path: Path) -> None:
    for status, name in ((401, "CollectorRefusedError"), (503, "CollectorUnavailableError")):
        collector.status = status
        result = run(app, collector)
        assert result.exit_code == 0
        assert name in result.output
        state = read_canary(tmp_path / STATE_FILE)
        assert state is not None
        assert (state.sent, state.refusal) == (0, name)
    assert "wk_secret" not in (tmp_path / STATE_FILE).read_text()


def test_nobody_listening_is_unavailable(app: typer.Typer, tmp_path: Path) -> None:
    arguments = ["--write-key", "env:CANARY_KEY", "--url", "http://127.0.0.1:9", "--once"]
    assert "CollectorUnavailableError" in CliRunner().invoke(app, arguments).output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--write-key", "env:NO_SUCH_KEY"], "NO_SUCH_KEY"),
        (["--write-key", "env:CANARY_KEY", "--customer", "nobody"], "nobody"),
        (["--write-key", "env:CANARY_KEY", "--url", "ftp://x"], "no address"),
    ],
)
def test_what_can_not_work_is_said_at_once(app: typer.Typer, arguments: list[str], text: str) -> None:
    result = CliRunner().invoke(app, [*arguments, "--once"])
    assert result.exit_code == 1
    assert text in result.output
