"""`clickstream registry serve` as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from clickstream_platform.cli import app
from clickstream_platform.cli.registry_serve import api_settings, is_loopback
from clickstream_platform.registry.http.api_settings import OidcSettings
from clickstream_platform.settings import Settings


def environment(home: Path, **more: str) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLICKSTREAM_")}
    return {**kept, "CLICKSTREAM_HOME": str(home), **more}


def test_from_start_to_end(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "from clickstream_platform.cli import main; main()", "registry", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.fullmatch(r"The registry's page is at (http://127\.0\.0\.1:\d+)/admin, its API at \1/v1\.\n", said)
        assert found is not None, said
        assert "tokens add" in process.stderr.readline()
        with httpx.Client(base_url=found[1], timeout=30) as client:
            assert client.get("/readyz").json() == {"status": "ready"}
            assert client.get("/v1/customers").status_code == 401
            assert client.get("/admin/login").status_code == 200
            assert "server" not in client.get("/healthz").headers
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[1]
    assert "Finished server process" in rest
    assert "Traceback" not in rest
    assert "alembic" not in rest


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_nobody_else_before_there_is_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["registry", "serve", "--host", host, "--port", "0"])
    assert result.exit_code == 1
    assert "there is no valid API token yet" in result.stderr
    assert "clickstream registry tokens add" in result.stderr


def test_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["registry", "serve", "--host", "203.0.113.1", "--port", "9"])
    assert result.exit_code == 1
    assert "Choose another --port or --host" in result.stderr


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_what_the_settings_say() -> None:
    plain = api_settings(Settings(registry_rate_limit="9/minute", registry_secure_cookies=True))
    assert (plain.rate_limit, plain.registry_secure_cookies, plain.oidc) == ("9/minute", True, None)
    trusting = api_settings(Settings(oidc_issuer="https://login.example.com", oidc_audience="registry"))
    assert trusting.oidc == OidcSettings(issuer="https://login.example.com", audience="registry")
