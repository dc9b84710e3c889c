"""`clickstream alerts`: what is wrong now, who is told, and what is known already.

Belongs here: the commands, and opening the engine for the exporter. Does not: judging and sending (`observe.alerts`),
trying channels (`alert_trials`).
"""

from __future__ import annotations

import getpass
import re
from contextlib import closing, suppress
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clickstream_platform.cli.alert_trials import try_channel, wanted_channels
from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table, printable
from clickstream_platform.errors import ConfigurationError, InvalidNameError

if TYPE_CHECKING:
    from clickstream_platform.observe.alert_metrics import AlertMetrics
    from clickstream_platform.observe.alerts.engine import AlertEngine
    from clickstream_platform.observe.alerts.routes import Routes
    from clickstream_platform.observe.alerts.routes_source import RoutesSource
    from clickstream_platform.observe.alerts.store import SqlAlertStore
    from clickstream_platform.settings import Settings

alerts_app = typer.Typer(
    name="alerts", help="What is wrong now, who is told, and what is known already.", no_args_is_help=True
)
KindOption = Annotated[str | None, typer.Option("--kind", help="Kind of finding, such as stream_late.")]
CustomerOption = Annotated[str | None, typer.Option("--customer", help="The customer's slug.")]
EventOption = Annotated[str | None, typer.Option("--event", help="The event's slug.")]
_DURATION = re.compile(r"(\d{1,6})(m|h|d)")
_MINUTES = {"m": 1, "h": 60, "d": 1_440}
_MAX_SILENCE = timedelta(days=365)


def open_alert_store(settings: Settings) -> SqlAlertStore:
    """Open the database of alerts that the settings name."""
    from clickstream_platform.observe.alerts.store import SqlAlertStore

    return SqlAlertStore(settings.alerts)


def open_alert_routes(settings: Settings, metrics: AlertMetrics | None = None) -> RoutesSource:
    """Read the routes file that the settings name, by default <home>/alert-routes.yaml; without one, all is logged."""
    from clickstream_platform.observe.alerts.routes_source import RoutesSource

    return RoutesSource(settings.alert_routes_file, metrics)


def open_alert_engine(settings: Settings, metrics: AlertMetrics | None = None) -> AlertEngine:
    """Open the engine that a long-lived process gives its findings to; close it at the end."""
    import socket
    import uuid

    from clickstream_platform.gateways.notifications import AppriseSender
    from clickstream_platform.observe.alerts.engine import AlertEngine, EngineOptions
    from clickstream_platform.observe.alerts.messages import Links

    owner = f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}"
    options = EngineOptions(owner, Links(settings.runbooks_url))
    routes = open_alert_routes(settings, metrics)  # before the database: a broken file needs none
    return AlertEngine(open_alert_store(settings), AppriseSender(), routes, options, metrics)


@alerts_app.command("test")
@handle_errors
def try_command(
    channel: Annotated[list[str] | None, typer.Option("--channel", help="Only this channel; repeatable.")] = None,
    kind: KindOption = None,
    customer: CustomerOption = None,
    event: EventOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check file and addresses; send nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send a test message to every channel, or to those that an alert of this kind and customer would go to."""
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.settings import load_settings

    routes = open_alert_routes(load_settings())()
    names = wanted_channels(routes, channel, kind, customer, event)
    now = SystemClock().now()
    results = [try_channel(routes, name, now, dry_run=dry_run) for name in names]
    if as_json:
        print_json(results)
    else:
        print_table(list(results[0]), [list(each.values()) for each in results])
    if any(each["problem"] for each in results):
        raise typer.Exit(code=1)


@alerts_app.command("list")
@handle_errors
def list_command(
    kind: KindOption = None,
    customer: CustomerOption = None,
    show_all: Annotated[bool, typer.Option("--all", help="Those that are over or pending as well.")] = False,
    sent: Annotated[int, typer.Option(min=0, max=1_000, help="The last so many messages instead.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Show the alerts that fire, who was told, and what holds others back."""
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.settings import load_settings

    settings, now = load_settings(), SystemClock().now()
    with closing(open_alert_store(settings)) as store:
        if sent:
            rows = [{"at": at, "channel": name, "title": title} for at, name, title in store.list_sent(sent)]
        else:
            rows = _alert_rows(store, _routes_or_defaults(settings), now, kind, customer, show_all=show_all)
    if as_json:
        print_json(rows)
        return
    columns = ["at", "channel", "title"] if sent else ["state", "severity", "where", "kind", "since", "told", "summary"]
    print_table(columns, [[each.get(column) for column in columns] for each in rows])


def _routes_or_defaults(settings: Settings) -> Routes:
    """Return the routes; with a broken file those without one, for what is wrong now must be seen all the same."""
    from clickstream_platform.observe.alerts.routes import log_only

    try:
        return open_alert_routes(settings)()
    except ConfigurationError as error:
        typer.echo(f"{printable(str(error))} What is held back may differ.", err=True)
        return log_only()


def _alert_rows(
    store: SqlAlertStore, routes: Routes, now: datetime, kind: str | None, customer: str | None, *, show_all: bool
) -> list[dict[str, Any]]:
    from clickstream_platform.observe.alerts.planning import find_held

    memory = store.load(now, 0)
    held = find_held(memory, now, routes.timing)
    told: dict[str, list[str]] = {}
    for name, key in sorted(memory.told):
        told.setdefault(key, []).append(name)
    rows = []
    for alert in sorted(memory.alerts.values(), key=lambda each: (each.state.value, -each.severity.rank, each.key)):
        is_wanted = kind in (None, alert.kind) and customer in (None, alert.customer)
        if is_wanted and (alert.is_firing or show_all):
            where = "/".join(each for each in (alert.customer or "platform", alert.event) if each)
            names = ", ".join(told.get(alert.key, ()))
            rows.append({
                "state": alert.state.value, "severity": alert.severity.value, "where": where, "kind": alert.kind,
                "customer": alert.customer, "event": alert.event, "since": alert.since, "changed_at": alert.changed_at,
                "told": names or held.get(alert.key), "told_to": told.get(alert.key, []),
                "held_by": held.get(alert.key), "summary": alert.summary, "times": alert.number,
                "links": dict(alert.links), "detail": dict(alert.detail),
            })  # fmt: skip
    return rows


@alerts_app.command("silence")
@handle_errors
def silence_command(
    reason: Annotated[str, typer.Option(help="Why; shown to everybody who lists silences.")],
    duration: Annotated[str, typer.Option("--for", help="How long: 30m, 2h or 1d.")] = "2h",
    kind: Annotated[str | None, typer.Option(help="Kind of finding; * and ? work as in file names.")] = None,
    customer: Annotated[str | None, typer.Option(help="Customer; * and ? work.")] = None,
    event: Annotated[str | None, typer.Option(help="Event; * and ? work.")] = None,
    by: Annotated[str, typer.Option(help="Who; default: the user of this machine.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Tell nobody of such alerts for a while. They are told afterwards if they still hold; ends are told always."""
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.model.findings import FINDING_KINDS
    from clickstream_platform.observe.alerts.silences import Silence
    from clickstream_platform.settings import load_settings

    if not (kind or customer or event):
        raise ConfigurationError(
            "silencing alerts",
            cause="it would silence all of them",
            remedy="Give --kind, --customer or --event; `--kind '*'` if all is what you want.",
        )
    if kind and not any(fnmatchcase(each, kind) for each in FINDING_KINDS):
        raise InvalidNameError(
            f"silencing {kind}",
            cause="there is no such kind of finding, so nothing would be silenced",
            remedy=f"Kinds are {', '.join(sorted(FINDING_KINDS))}.",
        )
    until = SystemClock().now() + _parse_duration(duration)
    with closing(open_alert_store(load_settings())) as store:
        silence = Silence(0, until, reason.strip()[:500], by or _user(), kind or None, customer or None, event or None)
        number = store.add_silence(silence)
    if as_json:
        print_json({"id": number, "until": until})
        return
    typer.echo(f"Silence {number} until {until:%Y-%m-%d %H:%M} UTC. `clickstream alerts unsilence {number}` ends it.")


@alerts_app.command("silences")
@handle_errors
def silences_command(as_json: JsonOption = False) -> None:
    """Show the silences that go on."""
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.settings import load_settings

    with closing(open_alert_store(load_settings())) as store:
        silences = list(store.load(SystemClock().now(), 0).silences)
    if as_json:
        print_json(silences)
        return
    columns = ["id", "until", "kind", "customer", "event", "reason", "by"]
    print_table(columns, [[getattr(each, column) for column in columns] for each in silences])


@alerts_app.command("unsilence")
@handle_errors
def unsilence_command(
    silence_id: Annotated[int, typer.Argument(help="As `clickstream alerts silences` shows it.")],
) -> None:
    """End a silence now."""
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.settings import load_settings

    with closing(open_alert_store(load_settings())) as store:
        if not store.end_silence(silence_id, SystemClock().now()):
            raise ConfigurationError(
                f"ending silence {silence_id}",
                cause="there is none of this number that goes on",
                remedy="`clickstream alerts silences` shows them.",
            )
    typer.echo(f"Silence {silence_id} is over.")


def _parse_duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text.strip())
    duration = timedelta(minutes=int(match[1]) * _MINUTES[match[2]]) if match else timedelta()
    if not timedelta() < duration <= _MAX_SILENCE:
        raise ConfigurationError(
            f"reading the duration {text!r}",
            cause="it is none, or longer than a year",
            remedy="Write a number and m, h or d, such as 90m or 2h.",
        )
    return duration


def _user() -> str:
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return ""
