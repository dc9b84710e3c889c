"""`clickstream canary`: one event every few minutes from the collector to the table, and how long it takes.

Belongs here: the options, the loop and what is shown. Does not: what a beat is (`pipeline.canary`).
"""

from __future__ import annotations

import signal
import threading
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.support import JsonOption, handle_errors, print_fields, print_json

if TYPE_CHECKING:
    from clickstream_platform.model.hours import Hour
    from clickstream_platform.pipeline.canary import CanaryLimits, CanaryParts, CanaryState
    from clickstream_platform.wiring import Wiring

STATE_FILE = Path("canary") / "state.json"
"""Below <home>; the exporter reads it."""
EVERY_SECONDS = 300
MAX_ROWS = 5_000


@handle_errors
def canary_command(
    write_key: Annotated[
        str,
        typer.Option(
            metavar="REFERENCE", help="Where the write key is kept: env:NAME, file:/path, aws-secretsmanager:…"
        ),
    ],
    customer: Annotated[str, typer.Option(metavar="SLUG", help="The canary customer of that key.")] = "canary",
    url: Annotated[str, typer.Option(help="The collector. Default: CLICKSTREAM_REGISTRY_COLLECTOR_URL.")] = "",
    every: Annotated[
        int | None,
        typer.Option(
            min=5,
            metavar="SECONDS",
            help="Time between two events. Default: 300. With --once, how often it is called by a cron job; "
            "without it nobody expects the next call.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Send one event, look for the rows, and end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send an event every few minutes and measure how long it takes to its row; stop with Ctrl-C or SIGTERM."""
    from clickstream_platform.pipeline.canary import CanaryLimits, CanaryState, beat, read_canary, write_canary
    from clickstream_platform.wiring import open_wiring

    stop, limits = threading.Event(), CanaryLimits()
    with open_wiring() as wiring:
        wiring.registry.get_customer(customer)  # a name that is not there is an error now, and not in three hours
        path = wiring.settings.home.absolute() / STATE_FILE
        parts = canary_parts(wiring, customer, url or wiring.settings.registry_collector_url, write_key)
        known = read_canary(path)
        state = known if known and known.customer == customer else CanaryState(customer, wiring.clock.now())
        seconds = float(every or (0 if once else EVERY_SECONDS))
        state = replace(state, every_seconds=seconds)
        if not once:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            state = beat(state, parts, wiring.clock)
            write_canary(path, state)
            _show(state, wiring.clock.now(), limits, as_json=as_json)
            if once:
                break
            stop.wait(seconds)


def canary_parts(wiring: Wiring, customer: str, url: str, write_key: str) -> CanaryParts:
    """Put together what a canary asks: a collector, the customer's table, and its raw objects."""
    from clickstream_platform.gateways.secrets import resolve_secret
    from clickstream_platform.gateways.tracking_api import TrackingApi
    from clickstream_platform.pipeline.canary import CanaryParts

    api = TrackingApi(url, resolve_secret(write_key))
    return CanaryParts(api.track, partial(_find_rows, wiring, customer), partial(_has_objects, wiring, customer))


def _find_rows(wiring: Wiring, customer: str, since: datetime) -> dict[str, datetime]:
    from clickstream_platform.pipeline.asking import ask
    from clickstream_platform.pipeline.canary import EVENT, rows_of
    from clickstream_platform.warehouses.identifiers import quote_identifier

    owner = wiring.registry.get_customer(customer)
    table = f"{quote_identifier(wiring.schema_of(owner))}.{quote_identifier(EVENT)}"
    # No row is loaded before its event was sent; a minute for clocks that differ. The moment is no text from outside.
    moment = (since - timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S")
    sql = f"SELECT id, uuid_ts FROM {table} WHERE uuid_ts >= TIMESTAMP '{moment}'"  # noqa: S608 (quoted above)
    return rows_of(ask(wiring, owner.destination, sql, MAX_ROWS)[1])


def _has_objects(wiring: Wiring, customer: str, hour: Hour) -> bool:
    from clickstream_platform.model.object_keys import raw_prefix
    from clickstream_platform.model.streams import Stream
    from clickstream_platform.pipeline.canary import EVENT

    return next(iter(wiring.objects.list_objects(raw_prefix(hour, Stream(customer, EVENT)))), None) is not None


def _show(state: CanaryState, now: datetime, limits: CanaryLimits, *, as_json: bool) -> None:
    from clickstream_platform.pipeline.canary import judge_canary

    findings = judge_canary(state, now, limits)
    if as_json:
        print_json({**asdict(state), "findings": [finding.summary for finding in findings]})
        return
    latency = state.newest_latency_seconds
    fields = {
        "sent": state.sent,
        "in the table": state.seen,
        "waiting": len(state.pending),
        "newest latency": "" if latency is None else f"{latency / 60:,.1f} minutes",
        "collector": f"takes none since {state.refused_since}: {state.refusal}"
        if state.refused_since
        else "takes events",
    }
    print_fields(fields, title=f"Canary {state.customer}, {now:%Y-%m-%d %H:%M:%S} UTC")
    for finding in findings:
        Console(stderr=True).print(finding.summary, style="red")
