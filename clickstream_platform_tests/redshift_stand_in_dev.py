"""`make dev WAREHOUSE=redshift-stand-in`: the whole platform on an S3 server and the Redshift stand-in, here.

Runs one `clickstream` command in an environment where S3 is ministack and the destination of every customer is the
stand-in; both keep their data in `<home>/redshift-stand-in`. A second command at the same time shares what the first
one started. Belongs here: starting, stopping, the environment. Does not: the stand-in, commands.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import boto3

from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.registry import open_registry
from clickstream_platform.registry.entities import Destination
from clickstream_platform.settings import load_settings
from clickstream_platform_tests.redshift_stand_in import PostgresUnavailableError, RedshiftStandIn

FOLDER, BUCKET, DESTINATION = "redshift-stand-in", "clickstream", "default"
PASSWORD = "REDSHIFT_STAND_IN_PASSWORD"  # the variable that the destination's secret reference names
SOCKET = ".s.PGSQL.5432"
READY_SECONDS = 60
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "development", "AWS_SECRET_ACCESS_KEY": "development", "AWS_REGION": "us-east-1"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a `clickstream` command on the stand-in and return its exit code."""
    command = list(sys.argv[1:] if arguments is None else arguments)
    home = load_settings().home.absolute() / FOLDER
    home.mkdir(parents=True, exist_ok=True)
    try:
        with running(home) as environment:
            script = Path(sys.executable).with_name("clickstream")
            child = subprocess.Popen([str(script), *command], env=os.environ | environment)
            # The terminal sends Ctrl-C to the command, too; what it works with is stopped after it.
            signal.signal(signal.SIGINT, lambda *_: None)
            signal.signal(signal.SIGTERM, lambda *_: child.terminate())
            return child.wait()
    except PostgresUnavailableError as error:
        sys.stderr.write(f"error: the Redshift stand-in can't start: {error}\n")
        return 1


@contextmanager
def running(home: Path) -> Iterator[dict[str, str]]:
    """Yield the environment of a command on both servers: started here, or by another command that still runs."""
    told = home / "environment.json"
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield _told_by_another(told)
            return
        told.unlink(missing_ok=True)
        with (
            _s3_server(home / "s3") as endpoint,
            _short(home / "db") as folder,
            RedshiftStandIn.start(endpoint, folder) as stand_in,
        ):
            environment = _environment(home, endpoint, stand_in)
            _prepare(environment, stand_in)
            told.write_text(json.dumps(environment), encoding="utf-8")
            told.chmod(0o600)
            sys.stderr.write(
                f"Redshift stand-in on {stand_in.host}:{stand_in.port}, S3 on {endpoint}, data in {home}\n"
            )
            try:
                yield environment
            finally:
                told.unlink(missing_ok=True)


def _told_by_another(told: Path) -> dict[str, str]:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if told.exists():
            environment: dict[str, str] = json.loads(told.read_text(encoding="utf-8"))
            return environment
        time.sleep(0.1)
    raise SystemExit(f"error: another command holds {told.parent} and never got ready; end it and try again")


def _environment(home: Path, endpoint: str, stand_in: RedshiftStandIn) -> dict[str, str]:
    return {
        **CREDENTIALS,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CLICKSTREAM_HOME": str(home),
        "CLICKSTREAM_OBJECT_STORE_URL": f"s3://{BUCKET}/lake",
        "CLICKSTREAM_S3_ENDPOINT_URL": endpoint,
        "SSL_CERT_FILE": str(stand_in.ca_file.resolve()),
        PASSWORD: stand_in.password,
    }


def _prepare(environment: dict[str, str], stand_in: RedshiftStandIn) -> None:
    """Make the bucket, and the stand-in the destination of every customer that names no other."""
    keys = CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
    session = boto3.session.Session(*keys, region_name=CREDENTIALS["AWS_REGION"])
    s3 = session.client("s3", endpoint_url=environment["CLICKSTREAM_S3_ENDPOINT_URL"])
    if BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=BUCKET)
    settings = {
        "host": stand_in.host,
        "port": str(stand_in.port),
        "database": stand_in.database,
        "user": stand_in.user,
        "iam_role": stand_in.iam_role,
    }
    known = {name: value for name, value in environment.items() if name.startswith("CLICKSTREAM_")}
    with open_registry(load_settings(known).registry, SystemClock()) as registry:
        before = registry.get_destination(DESTINATION)
        wanted = Destination(DESTINATION, "redshift", settings, f"env:{PASSWORD}", None, before.revision)
        if (before.kind, dict(before.settings)) != ("redshift", settings):
            registry.acting_as("redshift-stand-in").replace_destination(wanted)


@contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """Yield a short path of a folder: PostgreSQL's Unix socket may not have a path of more than a hundred bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rs-") as name:
        Path(name).chmod(0o755)  # for PostgreSQL's own user, where root starts it
        link = Path(name) / "db"
        link.symlink_to(folder, target_is_directory=True)
        yield link


@contextmanager
def _s3_server(folder: Path) -> Iterator[str]:
    """Run ministack on the folder's objects and yield its endpoint URL."""
    if importlib.util.find_spec("ministack") is None:
        raise SystemExit("error: ministack, the S3 server, isn't installed: run `make setup`")
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environment = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3",
        "LOG_LEVEL": "ERROR",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "objects"),
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
    }
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "ministack"]
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        _await(server, f"{endpoint}/_ministack/health", folder / "log")
        yield endpoint
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _await(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + READY_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with opener.open(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise SystemExit(f"error: the S3 server did not start; its log is {log}")


if __name__ == "__main__":
    sys.exit(main())
