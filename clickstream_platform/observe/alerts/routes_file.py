"""The routes file: YAML, checked as a whole, every fault with its line.

Belongs here: from the text to `Routes`. Does not: resolving references (`gateways.secrets`), reading again when it
changes (`routes_source`). The form is described in docs/alerts.md.
"""

from __future__ import annotations

import re
from dataclasses import fields
from difflib import get_close_matches
from fnmatch import fnmatchcase

import yaml

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.findings import FINDING_KINDS, Severity
from clickstream_platform.observe.alerts.routes import LOG_CHANNEL, Channel, Route, Routes
from clickstream_platform.observe.alerts.timing import KindRule, Timing
from clickstream_platform.observe.alerts.yaml_reading import Faults, Field, read_fields, read_list, read_map

MAX_CHARACTERS = 262_144
MAX_SHOWN_FAULTS = 20
_REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|aws-secretsmanager:.+)")
_CHANNEL_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")

_DAY = 86_400
_CHANNEL = {
    "url": Field.text(required=True),
    "max_messages": Field.number(1, 1_000),
    "window_seconds": Field.number(60, _DAY),
}
_KIND = {
    "severity": Field.choice([each.value for each in Severity]),
    "fire_after_seconds": Field.number(0, _DAY),
    "resolve_after_seconds": Field.number(0, _DAY),
}
_ROUTE = {
    "name": Field.text(required=True),
    "channels": Field.texts(required=True),
    "customers": Field.texts(),
    "events": Field.texts(),
    "kinds": Field.texts(),
    "at_least": Field.choice([each.value for each in Severity]),
    "platform": Field.boolean(),
    "continue": Field.boolean(),
    "repeat_seconds": Field.number(300, 30 * _DAY),
}
_TIMING = {each.name: Field.number(0, 365 * _DAY) for each in fields(Timing) if each.name != "kinds"}
_TIMING |= {"digest_at": Field.number(1, 1_000), "keep_days": Field.number(1, 3_650)}


def parse_routes(text: str, name: str) -> Routes:
    """Return the routes of a file's text; raise ConfigurationError that names every fault as `file:line`."""
    faults = Faults(name)
    root = _compose(text, faults)
    parts = read_fields(root, {"channels", "kinds", "timing", "routes"}, faults) if root is not None else {}
    channels = {LOG_CHANNEL: Channel(LOG_CHANNEL, "")} | _read_channels(parts.get("channels"), faults)
    timing = _read_timing(parts.get("timing"), parts.get("kinds"), faults)
    routes = _read_routes(parts.get("routes"), channels, faults)
    if root is not None and "routes" not in parts:
        faults.add(root, "there is no `routes`")
    if faults.found:
        shown = "; ".join(faults.found[:MAX_SHOWN_FAULTS])
        more = len(faults.found) - MAX_SHOWN_FAULTS
        raise ConfigurationError(
            "reading the alert routes",
            cause=shown + (f"; and {more} more" if more > 0 else ""),
            remedy="docs/alerts.md describes the form; `clickstream alerts test --dry-run` checks it.",
        )
    return Routes(channels, tuple(routes), timing)


def _compose(text: str, faults: Faults) -> yaml.Node | None:
    if len(text) > MAX_CHARACTERS:
        faults.add(None, f"it is longer than {MAX_CHARACTERS} characters")
        return None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        faults.add_mark(error.problem_mark, f"it is no YAML ({error.problem})")
        return None
    except (yaml.YAMLError, RecursionError) as error:
        faults.add(None, f"it is no YAML ({type(error).__name__})")
        return None
    if root is None:
        faults.add(None, "it is empty")
    return root


def _read_channels(node: yaml.Node | None, faults: Faults) -> dict[str, Channel]:
    channels = {}
    for key, value in read_fields(node, None, faults).items():
        given = read_map(value, _CHANNEL, faults)
        if not _CHANNEL_NAME.fullmatch(key) or key == LOG_CHANNEL:
            faults.add(value, f"{key!r} is no name for a channel (a-z, 0-9, _ and -; `{LOG_CHANNEL}` is there anyway)")
        url = given.pop("url", None)
        if isinstance(url, str) and not _REFERENCE.fullmatch(url):
            # Nothing of it is shown: it may be the secret itself.
            faults.add(
                value,
                f"the url of channel {key!r} is no reference; "
                "use env:NAME, file:/path or aws-secretsmanager:ARN, and keep the address there",
            )
        channels[key] = Channel(key, str(url), **given)  # type: ignore[arg-type]
    return channels


def _read_timing(node: yaml.Node | None, kinds_node: yaml.Node | None, faults: Faults) -> Timing:
    rules = {}
    for kind, value in read_fields(kinds_node, None, faults).items():
        if kind not in FINDING_KINDS:
            faults.add(value, f"{kind!r} is no kind of finding{_similar(kind)}")
        given = read_map(value, _KIND, faults)
        severity = given.pop("severity", None)
        rules[kind] = KindRule(Severity(severity) if isinstance(severity, str) else None, **given)  # type: ignore[arg-type]
    return Timing(**read_map(node, _TIMING, faults), kinds=rules)  # type: ignore[arg-type]


def _read_routes(node: yaml.Node | None, channels: dict[str, Channel], faults: Faults) -> list[Route]:
    routes: list[Route] = []
    nodes = read_list(node, faults)
    for each in nodes:
        given = read_map(each, _ROUTE, faults)
        route = _route(given)
        for channel in route.channels:
            if channel not in channels:
                faults.add(each, f"route {route.name!r} leads to {channel!r}, which is no channel")
        for pattern in route.kinds:
            if not any(fnmatchcase(kind, pattern) for kind in FINDING_KINDS):
                faults.add(each, f"route {route.name!r}: no kind of finding is {pattern!r}{_similar(pattern)}")
        if route.platform and (route.customers or route.events):
            faults.add(each, f"route {route.name!r} can take nothing: the platform's alerts have no customer")
        if route.name in {other.name for other in routes}:
            faults.add(each, f"a second route is named {route.name!r}")
        routes.append(route)
    _check_order(routes, nodes, faults)
    used = {channel for route in routes for channel in route.channels}
    for name in sorted(set(channels) - used - {LOG_CHANNEL}):
        faults.add(None, f"no route leads to channel {name!r}")
    return routes


def _check_order(routes: list[Route], nodes: list[yaml.Node], faults: Faults) -> None:
    """Every alert must find a route, and every route must be reachable."""
    for route, node in zip(routes[:-1], nodes, strict=False):
        if route.is_for_all and not route.goes_on:
            faults.add(
                node,
                f"route {route.name!r} takes all, so those after it take nothing; "
                "add a condition, `continue: true`, or put it last",
            )
    if routes and not routes[-1].is_for_all:
        faults.add(
            nodes[-1],
            f"the last route, {routes[-1].name!r}, must be without conditions: "
            f"an alert that no route takes would reach nobody. `channels: [{LOG_CHANNEL}]` is enough",
        )
    if not routes and nodes == []:
        faults.add(None, "there is no route")


def _route(given: dict[str, object]) -> Route:
    renamed = {"continue": "goes_on"}
    values = {renamed.get(name, name): value for name, value in given.items()}
    values.setdefault("name", "")
    values.setdefault("channels", ())
    if "at_least" in values:
        values["at_least"] = Severity(str(values["at_least"]))
    return Route(**values)  # type: ignore[arg-type]


def _similar(kind: str) -> str:
    close = get_close_matches(kind, FINDING_KINDS, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
