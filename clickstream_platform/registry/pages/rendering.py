"""From a template and its values to an answer: the one place where HTML is made.

Belongs here: the template engine, escaping, how times and numbers are written. Does not: the templates (`templates/`),
what is on a page.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from clickstream_platform.model.hours import Hour
from clickstream_platform.registry.pages.freshness import MEANINGS

PACKAGE = "clickstream_platform.registry.pages"


def render(template: str, request: Request, *, status: int = 200, **values: Any) -> Response:  # noqa: ANN401
    """Return the page of a template; every value is escaped where it is written."""
    base = request.scope.get("root_path", "")
    text = _environment().get_template(template).render(base=base, request=request, **values)
    return HTMLResponse(text, status_code=status)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "moment": moment_text,
        "day": day_text,
        "hour": hour_text,
        "ago": ago_text,
        "number": number_text,
        "duration": duration_text,
        "pretty": pretty_json,
    }
    environment.globals |= {"assets": _assets_version(), "meanings": MEANINGS}
    return environment


@cache
def _assets_version() -> str:
    """Return a text that changes with the style sheet and the script, so that browsers may keep them."""
    static = resources.files(PACKAGE) / "static"
    digest = hashlib.sha256()
    for file in sorted(static.iterdir(), key=lambda each: each.name):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def moment_text(moment: datetime) -> str:
    """Write a moment: `22 Nov 2026, 09:30`; all times on the page are UTC."""
    return f"{moment.day} {moment:%b %Y, %H:%M}"


def day_text(moment: datetime) -> str:
    """Write the day of a moment: `22 Nov 2026`."""
    return f"{moment.day} {moment:%b %Y}"


def hour_text(hour: str) -> str:
    """Write an hour in its key form `2026-11-22T09` for people: `22 Nov, 09:00`."""
    start = Hour.parse(hour).start
    return f"{start.day} {start:%b}, {start:%H:%M}"


def ago_text(moment: datetime | str, now: datetime) -> str:
    """Write how long ago a moment, or the end of an hour, was: `2 h ago`."""
    moment = Hour.parse(moment).end if isinstance(moment, str) else moment
    seconds = (now - moment).total_seconds()
    if seconds < 60:
        return "just now" if seconds > -60 else f"in {_span(-seconds)}"
    return f"{_span(seconds)} ago"


def duration_text(minutes: int) -> str:
    """Write a duration given in minutes: `90 min`, `6 h`, `2 days`."""
    if minutes % 1440 == 0:
        days = minutes // 1440
        return "1 day" if days == 1 else f"{days} days"
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def number_text(number: int) -> str:
    """Write a number with its thousands apart."""
    return f"{number:,}"


def pretty_json(value: Mapping[str, Any]) -> str:
    """Write a document with one value a line."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _span(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length or (unit != "days" and seconds >= length):
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
