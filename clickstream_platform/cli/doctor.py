"""`clickstream doctor`: one screen that says how this deployment is, and what to do about what is not as it should be.

Belongs here: reading options, printing. Does not: checks (`clickstream_platform.doctor`, `defs.doctor`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.dev import DAGSTER_FOLDER
from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table

if TYPE_CHECKING:
    from clickstream_platform.doctor.findings import Finding
    from clickstream_platform.wiring import Wiring

CustomerOption = Annotated[str | None, typer.Option(metavar="SLUG", help="Only this customer's destination.")]
DagsterOption = Annotated[bool, typer.Option("--dagster/--no-dagster", help="Look at Dagster's instance, too.")]


@handle_errors
def doctor_command(customer: CustomerOption = None, dagster: DagsterOption = True, as_json: JsonOption = False) -> None:
    """Check settings, object store, registry, every destination, all streams and Dagster; exit code 1 on a failure.

    Each destination is tried with a load of one row that is rolled back, in the schema of one of its customers (of the
    given one with --customer): lock, create, alter, COPY as the destination's role, insert, delete. What remains is
    what a first load makes, too: the customer's schema with its lock table, or the embedded warehouse's file.
    """
    from clickstream_platform.doctor.findings import Status

    console = Console(stderr=True)
    findings = []
    with console.status("checking"):
        findings += list(_findings(customer, with_dagster=dagster))
    counts = {status.value: sum(each.status is status for each in findings) for status in Status}
    if as_json:
        print_json({"healthy": not counts[Status.FAIL.value], "counts": counts, "findings": findings})
    else:
        rows = [(each.status.value, each.part, each.check, each.detail, each.remedy) for each in findings]
        print_table(("", "part", "check", "found", "what to do"), rows)
        typer.echo(", ".join(f"{number} {status}" for status, number in counts.items() if number))
    if counts[Status.FAIL.value]:
        raise typer.Exit(code=1)


def _findings(customer: str | None, *, with_dagster: bool) -> Iterator[Finding]:
    from clickstream_platform import wiring
    from clickstream_platform.doctor.examination import examine
    from clickstream_platform.doctor.findings import of_error
    from clickstream_platform.errors import ConfigurationError
    from clickstream_platform.settings import load_settings, read_environment

    try:
        settings = load_settings()
    except ConfigurationError as error:
        yield of_error("platform", "settings", error)
        return
    named = read_environment("DAGSTER_HOME")
    home = Path(named) if named else settings.home.absolute() / DAGSTER_FOLDER
    with wiring.open_wiring(settings) as opened:
        found = list(examine(opened, customer))
        yield from found
        slugs = [] if _is_registry_away(found) else [each.slug for each in opened.registry.snapshot().customers]
        if slugs:
            yield from _streams(opened, customer, home if with_dagster else None, slugs)
        if with_dagster:
            from clickstream_platform.defs.doctor import check_dagster, check_names

            yield from check_dagster(home, slugs, settings.dagster_webserver_url)
            yield check_names(lambda: opened.registry.snapshot())  # noqa: PLW0108 (opening it may fail, too)


def _is_registry_away(findings: list[Finding]) -> bool:
    from clickstream_platform.doctor.findings import Status

    return any(each.part == "registry" and each.status is Status.FAIL for each in findings)


def _streams(wiring: Wiring, customer: str | None, home: Path | None, slugs: list[str]) -> Iterator[Finding]:
    from clickstream_platform.doctor.streams import check_streams

    if home is None:
        yield from check_streams(wiring, customer)
        return
    from clickstream_platform.defs.doctor import read_failures

    yield from check_streams(wiring, customer, read_failures(home, slugs, wiring.clock.now()))
