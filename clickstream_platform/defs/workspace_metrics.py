"""Asks Dagster's webserver whether the code locations are loaded: a process that lives may still serve nothing.

Belongs here: the question and its answer. Does not: reloading (`reloading`), what follows from it.
"""

import json
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from http.client import HTTPException
from typing import Any

from clickstream_platform.defs.run_records import first_line
from clickstream_platform.observe.exporter.figures import LocationState, WorkspaceFigures

TIMEOUT_SECONDS = 20
QUESTION = """
{ workspaceOrError {
    __typename
    ... on Workspace { locationEntries {
      name loadStatus
      locationOrLoadError { __typename ... on PythonError { message } }
    } }
    ... on PythonError { message }
} }
"""


def read_workspace(url: str, now: datetime) -> WorkspaceFigures | None:
    """Return what the webserver at `url` says of its code locations; None when the settings name no webserver.

    A webserver that does not answer is an answer, too: `is_up` is False.
    """
    if not url.startswith(("http://", "https://")):
        return None
    try:
        answer = _ask(f"{url.rstrip('/')}/graphql")["data"]["workspaceOrError"]
        if answer["__typename"] != "Workspace":
            return WorkspaceFigures(now, True, (), first_line(answer.get("message", "")))
        return WorkspaceFigures(now, True, tuple(_locations(answer["locationEntries"])))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, HTTPException) as error:
        return WorkspaceFigures(now, False, (), first_line(f"{type(error).__name__}: {error}"))


def _locations(entries: list[dict[str, Any]]) -> Iterator[LocationState]:
    for entry in entries:
        loaded = entry["locationOrLoadError"]
        if loaded is None:  # it loads for the first time
            yield LocationState(entry["name"], False, "loading")
            continue
        is_up = loaded["__typename"] == "RepositoryLocation"
        yield LocationState(entry["name"], is_up, "" if is_up else first_line(loaded.get("message", "")))


def _ask(url: str) -> Any:  # noqa: ANN401 - JSON
    body = json.dumps({"query": QUESTION}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - http or https
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
        return json.load(response)
