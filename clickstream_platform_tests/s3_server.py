"""A real S3 server for tests: ministack, on a free port of the loopback address, for as long as the tests run.

What belongs here: starting and stopping it, buckets, the fixtures. What does not: what is tested with it.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from clickstream_platform_tests.servers import accepted_credentials, free_port, stop_server

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READY_SECONDS = 60  # it takes one or two on an idle machine
START_ATTEMPTS = 3  # between finding a free port and using it another process may take it


@contextmanager
def running_s3_server() -> Iterator[str]:
    """Start a server with no buckets, yield its endpoint URL, stop it; the test is skipped where it isn't installed."""
    if importlib.util.find_spec("ministack") is None:
        pytest.skip("ministack, the S3 server of the tests, isn't installed: install the dev dependencies")
    with tempfile.TemporaryDirectory(prefix="s3-server-") as folder:
        server, endpoint = _started(Path(folder))
        try:
            yield endpoint
        finally:
            stop_server(server)


def create_bucket(endpoint: str) -> str:
    """Create a bucket of its own for one test and return its name."""
    name = f"test-{uuid.uuid4().hex}"
    _client(endpoint).create_bucket(Bucket=name)
    return name


@cache  # making a client takes longer than what most tests do with a bucket
def _client(endpoint: str) -> S3Client:
    return boto3.session.Session().client("s3", endpoint_url=endpoint)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Return the endpoint of the session's server; boto3's environment holds credentials that it accepts."""
    with running_s3_server() as endpoint, accepted_credentials():
        yield endpoint


@pytest.fixture
def s3_bucket(s3_endpoint: str) -> str:
    """Return the name of a new, empty bucket on the session's server."""
    return create_bucket(s3_endpoint)


def _started(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    log = folder / "log"
    for _ in range(START_ATTEMPTS):
        port = free_port()
        # The environment is the server's alone: settings of the machine it runs on must not change a test.
        environment = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "SERVICES": "s3",
            "LOG_LEVEL": "ERROR",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "PATH": "/usr/bin:/bin",
        }
        with log.open("wb") as output:
            command = [sys.executable, "-m", "ministack"]
            server = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)
        endpoint = f"http://127.0.0.1:{port}"
        if _is_ready(server, endpoint):
            return server, endpoint
        server.kill()
        server.wait()
    pytest.fail(f"the S3 server didn't start in {START_ATTEMPTS} attempts:\n{log.read_text(errors='replace')[-2000:]}")


def _is_ready(server: subprocess.Popen[bytes], endpoint: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + READY_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with opener.open(f"{endpoint}/_ministack/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    return False
