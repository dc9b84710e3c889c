"""Loads in processes that die on the way: each one statement later than the one before, until one comes through.

A script, so that the dying processes are forked from one that has no threads and no connection open.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from redshift_connector.cursor import Cursor

from clickstream_platform.gateways.stores import open_object_store
from clickstream_platform.model.staging import StagedBatch
from clickstream_platform.warehouses.redshift import RedshiftSession
from clickstream_platform.warehouses.sql_names import Sql
from clickstream_platform_tests.redshift_target import redshift_target
from clickstream_platform_tests.targets import Target

BATCH_FILE, DEATHS_FILE = "batch.json", "deaths.json"
MAX_STATEMENTS = 200


def die_in_every_way(
    folder: Path, settings: dict[str, str], secret: str, bucket: str, endpoint: str, when: str
) -> None:
    """Load the batch again and again, dying `before` or `after` a statement; write what the tables had each time."""
    batch = StagedBatch.from_json((folder / BATCH_FILE).read_bytes())

    def target(log: Callable[[str, Sequence[Any]], None] | None = None) -> Target:
        objects = open_object_store(bucket, endpoint_url=endpoint, max_workers=2)
        return redshift_target(folder, settings, secret, objects, log=log)

    deaths: list[dict[str, Any]] = []
    for number in range(1, MAX_STATEMENTS):
        child = os.fork()
        if not child:
            if when == "before":
                target(_killer(number)).load(batch)
            else:
                _die_behind(number)
                target().load(batch)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            break
        rows = target().read_all("_loads", "seen", "tracks")
        deaths.append({table: sorted(str(row) for row in found) for table, found in rows.items()})
    (folder / DEATHS_FILE).write_text(json.dumps(deaths), encoding="utf-8")


def _killer(dies_at: int) -> Callable[[str, Sequence[Any]], None]:
    """Return a log that kills the process when it sees the statement of this number, 1 being the first."""
    seen = 0

    def log(_text: str, _params: Sequence[Any]) -> None:
        nonlocal seen
        seen += 1
        if seen == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return log


def _die_behind(dies_at: int) -> None:
    """Have the process killed when the statement of this number is done and nobody has heard of it yet."""
    send, done = RedshiftSession._send, 0

    def send_and_die(session: RedshiftSession, sql: Sql) -> Cursor:
        nonlocal done
        cursor = send(session, sql)
        done += 1
        if done == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return cursor

    pytest.MonkeyPatch().setattr(RedshiftSession, "_send", send_and_die)  # nobody undoes it: the process dies


if __name__ == "__main__":
    die_in_every_way(Path(sys.argv[1]), json.loads(sys.argv[2]), *sys.argv[3:7])
