"""A PostgreSQL of the tests' own, in a folder that goes with it.

Belongs here: starting and stopping it. Does not: what is in it, or the one inside the Redshift stand-in, which keeps
its data and ends with its process.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clickstream_platform_tests.redshift_stand_in.postgres import PostgresUnavailableError, find_binaries, server_owner

SUPERUSER = "postgres"


@contextmanager
def running_server(
    making: Sequence[str], settings: str, *, password: str = "", access_rules: str = ""
) -> Iterator[Path]:
    """Make a cluster with options of initdb, start it with settings (`-c name=value`), and yield its folder.

    Its socket is in the folder. With a password the superuser must give it. Raises PostgresUnavailableError.
    """
    programs = find_binaries()
    # initdb refuses root; pytest's own folders cannot be entered by anybody else.
    owner = server_owner()
    as_postgres = ["runuser", "-u", owner, "--"] if owner else []
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    data, secret = folder / "data", folder / "password"
    secret.write_text(password, encoding="utf-8")
    if owner:
        for path in (folder, secret):
            shutil.chown(path, owner)
    how = ["-A", "scram-sha-256", f"--pwfile={secret}"] if password else ["-A", "trust"]
    control = [*as_postgres, str(programs / "pg_ctl"), "-D", str(data)]
    try:
        _run(*as_postgres, str(programs / "initdb"), "-D", str(data), "-U", SUPERUSER, "--no-sync", *how, *making)
        with (data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
            rules.write(access_rules)
        _run(*control, "start", "-w", "-l", str(folder / "log"), "-o", f"-k {folder} -c fsync=off {settings}")
        yield folder
    finally:
        subprocess.run([*control, "stop", "-w", "-m", "immediate"], check=False, capture_output=True, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/")
    if done.returncode:
        raise PostgresUnavailableError(f"{' '.join(command)}: {done.stderr[-500:]}")
