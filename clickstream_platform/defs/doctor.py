"""The doctor's look at Dagster: does its instance open, is its daemon alive, can each customer have assets.

Belongs here: what needs `dagster`. Does not: the other checks (`clickstream_platform.doctor`).
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
from dagster._daemon.controller import all_daemons_live

from clickstream_platform.defs.state import describe_clash, find_name_clashes
from clickstream_platform.doctor.findings import Finding, fail, of_error, ok, skipped, warn
from clickstream_platform.errors import ClickstreamError
from clickstream_platform.registry.entities import Snapshot

PART = "dagster"


def check_dagster(home: Path | None) -> Iterator[Finding]:
    """Yield the findings about the instance of a home (None: no home is known), which is only read."""
    if home is None or not (home / "dagster.yaml").is_file():
        yield skipped(PART, "instance", "none here yet: `clickstream dev` makes one, production sets DAGSTER_HOME")
        return
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            runs = instance.get_runs_count()
            yield ok(PART, "instance", f"{home}, {runs} runs, {type(instance.run_storage).__name__}")
            yield _check_daemon(instance)
    except Exception as error:  # noqa: BLE001 (whatever its storage raises is the finding)
        detail = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        yield fail(PART, "instance", detail, "Check dagster.yaml and its database, then run the doctor again.")


def check_names(read_snapshot: Callable[[], Snapshot]) -> Finding:
    """Return the finding whether each customer of the registry has a name in Dagster that is its own."""
    try:
        clashes = find_name_clashes(read_snapshot().customers)
    except ClickstreamError as error:
        return of_error(PART, "names", error)
    if not clashes:
        return ok(PART, "names", "each customer has its own")
    told = "; ".join(describe_clash(*each) for each in clashes.items())
    return fail(PART, "names", told, "Give the customer that came later another slug.")


def _check_daemon(instance: dg.DagsterInstance) -> Finding:
    if all_daemons_live(instance):
        return ok(PART, "daemon", "alive")
    remedy = "Start it with `clickstream dev`, or dagster-daemon in production; until then no sensor ticks."
    return warn(PART, "daemon", "no heartbeat", remedy)
