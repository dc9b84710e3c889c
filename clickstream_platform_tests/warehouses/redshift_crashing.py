"""Loads that die between two statements, again and again, until they have died between all that follow each other.

Belongs here: watching the statements of a load, what a database then holds, and a script of processes that are killed:
a script, so that they are forked from one that has no threads. Does not: what is loaded, what must come of it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redshift_connector.core import Connection
from redshift_connector.cursor import Cursor

from clickstream_platform.gateways.redshift_login import iam_login
from clickstream_platform.gateways.secrets import resolve_secret
from clickstream_platform.gateways.stores import open_object_store
from clickstream_platform.model.staging import StagedBatch
from clickstream_platform.warehouses.redshift import RedshiftSession
from clickstream_platform.warehouses.redshift_connection import Connector
from clickstream_platform.warehouses.redshift_destination import read_destination
from clickstream_platform.warehouses.sql_names import Sql
from clickstream_platform_tests.redshift_target import redshift_target
from clickstream_platform_tests.targets import SCHEMA

BATCH_FILE, JOB_FILE, DEATHS_FILE = "batch.json", "job.json", "deaths.json"
MAX_DEATHS = 200
# A statement's text and that of the statement before it in the same load, empty before the first one.
Pair = tuple[str, str]
# Per table its columns with their types, and its rows, each without what is NULL.
State = dict[str, dict[str, Any]]

_MANIFEST = re.compile(r"(pack_\d+)-\w+\.manifest")
_COLUMNS = (
    "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute AS a "
    "JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    f"WHERE n.nspname = '{SCHEMA}' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped "
    "ORDER BY c.relname, a.attnum"
)


@dataclass(frozen=True)
class Job:
    """What the script loads and where it dies.

    `when` is `before` or `after` a statement, `failing` the events that every load must give up, `faults` what the
    stand-in does in each load.
    """

    settings: dict[str, str]
    secret: str
    bucket: str
    endpoint: str
    when: str
    failing: list[str]
    faults: list[dict[str, Any]]


def watch(
    patch: pytest.MonkeyPatch,
    before: Callable[[Pair, RedshiftSession], None],
    after: Callable[[Pair, bool], None] | None = None,
) -> None:
    """Tell of each statement of a loader before it is sent, and when it is answered, whether it failed."""
    send, last = RedshiftSession._send, [""]

    def watched(session: RedshiftSession, sql: Sql) -> Cursor:
        pair = (last[0], _MANIFEST.sub(r"\1.manifest", sql.text))
        last[0] = pair[1]
        before(pair, session)
        has_failed = True
        try:
            cursor = send(session, sql)
            has_failed = False
        finally:
            if after is not None:
                after(pair, has_failed)
        return cursor

    patch.setattr(RedshiftSession, "_send", watched)


def open_reader(settings: Mapping[str, str], secret: str) -> Connection:
    """Return a connection that no watched session uses and in which every statement is a transaction."""
    return Connector(read_destination("test", settings, secret), resolve_secret, iam_login)()


def read_state(reader: Connection) -> State:
    """Return everything in the schema as JSON can hold it, in a fixed order."""
    state: State = {}
    for table, column, type_text in _ask(reader, _COLUMNS):
        state.setdefault(table, {"columns": [], "rows": []})["columns"].append([column, type_text])
    for table, found in state.items():
        names = [name for name, _ in found["columns"]]
        selected = ", ".join(f'"{name}"' for name in names)
        answer = _ask(reader, f'SELECT {selected} FROM "{SCHEMA}"."{table}"')
        rows = [{n: str(v) for n, v in zip(names, row, strict=True) if v is not None} for row in answer]
        found["rows"] = sorted(rows, key=lambda row: sorted(row.items()))
    return state


def _ask(reader: Connection, text: str) -> list[Any]:
    cursor = reader.cursor()
    cursor.execute(text)
    return list(cursor.fetchall())


def die_between_all_statements(folder: Path) -> None:
    """Load again and again, killed at a pair of statements where no load was killed yet, until one comes through.

    Write the pairs, the signals and the states that were left. Raise RuntimeError when a load ends in any other way.
    """
    job = Job(**json.loads((folder / JOB_FILE).read_text(encoding="utf-8")))
    reader = open_reader(job.settings, job.secret)
    load = _prepare_load(folder, job)
    deaths: list[dict[str, Any]] = []
    known: set[Pair] = set()
    while len(deaths) < MAX_DEATHS:
        _set_faults(reader, job.faults)
        said, says = os.pipe()
        child = os.fork()
        if not child:
            _run_child(load, job, known, says)
        os.close(says)
        status = os.waitpid(child, 0)[1]
        with os.fdopen(said, "rb") as pipe:
            last_words = pipe.read()
        _set_faults(reader, [])
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0 and not last_words:
            break
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL or not last_words:
            raise RuntimeError(f"a load ended with status {status}, not by its own SIGKILL: {last_words!r}")
        before, text = json.loads(last_words)
        known.add((before, text))
        deaths.append({"pair": [before, text], "signal": os.WTERMSIG(status), "left": read_state(reader)})
    else:
        raise RuntimeError(f"no load came through in {MAX_DEATHS}")
    (folder / DEATHS_FILE).write_text(json.dumps(deaths), encoding="utf-8")


def _prepare_load(folder: Path, job: Job) -> Callable[[], list[str]]:
    """Return what loads the batch and returns the events that failed; its parts are in the bucket already."""
    batch = StagedBatch.from_json((folder / BATCH_FILE).read_bytes())
    # Made once: a client of S3 takes longer than a load, and a connection is opened only by the process that loads.
    objects = open_object_store(job.bucket, endpoint_url=job.endpoint, max_workers=2)
    target = redshift_target(folder, job.settings, job.secret, objects)
    target.locate = lambda part: objects.url(part.key)
    return lambda: [outcome.event for outcome in target.load(batch).failed]


def _set_faults(reader: Connection, faults: list[dict[str, Any]]) -> None:
    for text in ("RESET stand_in.fault", *(f"SET stand_in.fault TO '{json.dumps(fault)}'" for fault in faults)):
        reader.cursor().execute(text)


def _run_child(load: Callable[[], list[str]], job: Job, known: set[Pair], says: int) -> None:
    """Load and die; whatever else happens is told by the exit code: 0 when the load came through."""

    def die(pair: Pair, at: str) -> None:
        if at == job.when and pair not in known:
            os.write(says, json.dumps(pair).encode())
            os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        watch(pytest.MonkeyPatch(), lambda pair, _: die(pair, "before"), lambda pair, _: die(pair, "after"))
        failed = load()
        code = 0 if failed == job.failing else 1
        if code:
            sys.stderr.write(f"{failed} failed\n")
    except BaseException:  # noqa: BLE001 (it is told, and nothing of the parent's may run in this process)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    die_between_all_statements(Path(sys.argv[1]))
