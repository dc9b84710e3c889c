"""A real Kinesis server for tests: kinesalite (npm), on a free port of the loopback address.

It splits and merges shards and lets iterators expire as Amazon does; it never throttles. Installed on first use into a
folder of the user's cache, so that the package and its lock file stay free of it.

What belongs here: installing, starting, stopping, Kinesis streams, the fixtures. What does not: what is tested with it.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from clickstream_platform_tests.npm import install_packages
from clickstream_platform_tests.servers import CREDENTIALS, accepted_credentials, free_port, stop_server

VERSION = "3.3.3"
READY_SECONDS = 30
START_ATTEMPTS = 3  # between finding a free port and using it another process may take it
# Its own command line binds every address; states of shards change after the milliseconds given here. When a client is
# killed in the middle of a request it throws an error, and would end.
_SCRIPT = """
process.on('uncaughtException', error => { if (error.code !== 'ECONNRESET') { console.error(error); process.exit(1) } })
const kinesalite = require('kinesalite')
const [port, path] = process.argv.slice(1)
kinesalite({path: path || undefined, createStreamMs: 20, deleteStreamMs: 20, updateStreamMs: 20, shardLimit: 1000})
  .listen(Number(port), '127.0.0.1', error => { if (error) { console.error(error); process.exit(1) } })
"""


def install_kinesalite() -> Path:
    """Return the folder with kinesalite's node_modules, installing it once; skip the test where it can't be had."""
    return install_packages(f"kinesalite-{VERSION}", f"kinesalite@{VERSION}")


@contextmanager
def running_kinesis_server(path: Path | None = None, port: int = 0) -> Iterator[str]:
    """Start a server with no Kinesis streams, yield its endpoint URL, stop it.

    With a `path` it keeps its data there (when leveldown is built), else in memory. A `port` is for starting again at
    the same address.
    """
    folder = install_kinesalite()
    server, endpoint = _started(folder, path, port)
    try:
        yield endpoint
    finally:
        stop_server(server)


@cache  # making a client takes longer than what most tests do with a Kinesis stream
def kinesis_client(endpoint: str) -> Any:
    """Return a boto3 client of the server; it needs no environment."""
    return boto3.session.Session().client(
        "kinesis",
        endpoint_url=endpoint,
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"mode": "standard", "total_max_attempts": 3}, max_pool_connections=32),
    )


def create_kinesis_stream(endpoint: str, shards: int = 1) -> str:
    """Create a Kinesis stream of its own for one test, wait until it is active, and return its name."""
    name = f"test-{uuid.uuid4().hex}"
    client = kinesis_client(endpoint)
    client.create_stream(StreamName=name, ShardCount=shards)
    wait_until_active(endpoint, name)
    return name


def wait_until_active(endpoint: str, stream_name: str) -> list[dict[str, Any]]:
    """Wait until a Kinesis stream has taken up its newest form, and return its shards, closed ones included."""
    client, deadline = kinesis_client(endpoint), time.monotonic() + READY_SECONDS
    while True:
        description = client.describe_stream(StreamName=stream_name)["StreamDescription"]
        if description["StreamStatus"] == "ACTIVE":
            return list(description["Shards"])
        assert time.monotonic() < deadline, f"{stream_name} is still {description['StreamStatus']}"
        time.sleep(0.02)


def read_kinesis_stream(endpoint: str, stream_name: str) -> list[dict[str, Any]]:
    """Return every record on a Kinesis stream, shard by shard, each in the order of its shard."""
    client, found = kinesis_client(endpoint), []
    for shard in client.describe_stream(StreamName=stream_name)["StreamDescription"]["Shards"]:
        iterator = client.get_shard_iterator(
            StreamName=stream_name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            answer = client.get_records(ShardIterator=iterator, Limit=1000)
            found += [{**record, "ShardId": shard["ShardId"]} for record in answer["Records"]]
            iterator = answer.get("NextShardIterator")
            if not answer["Records"] and not answer.get("MillisBehindLatest"):
                break
    return found


@pytest.fixture(scope="session")
def kinesis_endpoint() -> Iterator[str]:
    """Return the endpoint of the session's server; boto3's environment holds credentials that it accepts."""
    with running_kinesis_server() as endpoint, accepted_credentials():
        yield endpoint


@pytest.fixture
def kinesis_stream(kinesis_endpoint: str) -> str:
    """Return the name of an empty Kinesis stream with two shards."""
    return create_kinesis_stream(kinesis_endpoint, shards=2)


def _started(folder: Path, path: Path | None, port: int) -> tuple[subprocess.Popen[bytes], str]:
    node = shutil.which("node") or "node"
    for _ in range(START_ATTEMPTS):
        number = port or free_port()
        command = [node, "-e", _SCRIPT, "--", str(number), str(path or "")]
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if _answers(server, number):
            return server, f"http://127.0.0.1:{number}"
        server.kill()
        server.wait()
    pytest.skip(f"kinesalite does not start: node -e … in {folder}")


def _answers(server: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False
