"""`clickstream logs`: lines of all services and runs by full text, customer, run, event and time; `log-index` sets up.

Belongs here: options and printing. Does not: asking the index (`gateways.log_index`), following
(`observe.logs.reading`).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, printable
from clickstream_platform.errors import ConfigurationError

if TYPE_CHECKING:
    from clickstream_platform.model.shared_ports import Clock
    from clickstream_platform.observe.logs.ports import LogHit, LogIndex, LogQuery

FOLLOW_SECONDS = 1.0
_SPAN = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LEVELS = ("debug", "info", "warning", "error", "critical")
Level = Literal["debug", "info", "warning", "error", "critical"]

log_index_app = typer.Typer(help="The log index: show or install its template and retention.", no_args_is_help=True)


@handle_errors
def logs_command(
    text: Annotated[str, typer.Argument(help='Words that a line has, all of them; "a phrase" in quotes.')] = "",
    customer: Annotated[str | None, typer.Option(metavar="SLUG", help="Only this customer.")] = None,
    event: Annotated[str | None, typer.Option(metavar="SLUG", help="Only this event.")] = None,
    run: Annotated[str | None, typer.Option(metavar="ID", help="Only this run of Dagster.")] = None,
    service: Annotated[str | None, typer.Option(help="Only this service, such as collector or run.")] = None,
    level: Annotated[Level, typer.Option(help="This level and those above it.")] = "debug",
    since: Annotated[str, typer.Option(help="From 15m, 2h or 3d ago, or from a time like 2026-11-22T09:00Z.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many lines at most, the newest.")] = 200,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines; stop with Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object for each line.")] = False,
) -> None:
    """Search the logs of all services and runs."""
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.observe.logs.ports import LogQuery
    from clickstream_platform.pipeline.logs import open_index
    from clickstream_platform.settings import load_settings

    clock = SystemClock()
    query = LogQuery(
        text,
        customer,
        event,
        run,
        service,
        levels=() if level == "debug" else _LEVELS[_LEVELS.index(level) :],
        since=moment_of(since, clock.now()) if since else None,
        limit=limit,
    )
    index = open_index(load_settings())
    try:
        if follow:
            _follow(index, query, clock, as_json=as_json)
        else:
            _show(index.search(query), as_json=as_json)
    finally:
        index.close()


def moment_of(text: str, now: datetime) -> datetime:
    """Return the moment that `15m`, `2h`, `3d` or a time names; raises ConfigurationError for anything else."""
    try:
        if span := _SPAN.fullmatch(text):
            return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"reading the time {text!r}", cause="it has no known form", remedy="Write 15m, 2h, 3d or 2026-11-22T09:00Z."
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _follow(index: LogIndex, query: LogQuery, clock: Clock, *, as_json: bool) -> None:
    from clickstream_platform.observe.logs.reading import Follower

    follower, was_away = Follower(index, query, clock), False
    try:
        while True:
            _show(follower.read(), as_json=as_json)
            if follower.is_away and not was_away:
                typer.echo("The log index does not answer; it is asked again every second.", err=True)
            was_away = follower.is_away
            time.sleep(FOLLOW_SECONDS)
    except KeyboardInterrupt:
        return


def _show(hits: Iterable[LogHit], *, as_json: bool) -> None:
    from clickstream_platform.observe.logs.ecs import text_line

    for hit in hits:
        if as_json:
            typer.echo(json.dumps(hit.fields, ensure_ascii=True))
        else:
            typer.echo("\n".join(map(printable, text_line(hit.fields).split("\n"))))


@log_index_app.command("show")
@handle_errors
def show_command(
    retention_days: Annotated[int, typer.Option(min=1, help="Days that lines are kept.")] = 30,
    replicas: Annotated[int, typer.Option(min=0, help="Copies of each index.")] = 1,
) -> None:
    """Show what `install` would send, by path."""
    from clickstream_platform.gateways.log_index_setup import setup_requests
    from clickstream_platform.settings import load_settings

    settings = load_settings()
    print_json(setup_requests(settings.log_index_kind, settings.log_index_name, retention_days, replicas))


@log_index_app.command("install")
@handle_errors
def install_command(
    retention_days: Annotated[int, typer.Option(min=1, help="Days that lines are kept.")] = 30,
    replicas: Annotated[int, typer.Option(min=0, help="Copies of each index.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Install the index template and the retention policy; once, before the first line is sent."""
    from clickstream_platform.gateways.log_index_setup import install
    from clickstream_platform.pipeline.logs import open_index
    from clickstream_platform.settings import load_settings

    index = open_index(load_settings())
    try:
        paths = install(index, retention_days, replicas)
    finally:
        index.close()
    if as_json:
        print_json({"installed": paths})
    else:
        typer.echo("\n".join(f"installed {path}" for path in paths))
