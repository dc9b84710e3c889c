"""Reloading the code location: noticing that the registry has other customers than the loaded assets, and asking.

Belongs here: the comparison and the webserver's answer. Does not: when to look (`registry_sensor`), and building the
assets of the new customers (`customers`, at the reload).
"""

import json
import urllib.request
from datetime import datetime, timedelta
from typing import Any

from clickstream_platform.defs.state import DefinitionsState
from clickstream_platform.settings import Settings

RELOAD_TIMEOUT_SECONDS = 40  # a tick must end within 60
TRY_AGAIN_AFTER = timedelta(minutes=5)
RELOAD = """
mutation($location: String!) {
  reloadRepositoryLocation(repositoryLocationName: $location) {
    __typename
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message } } }
    ... on ReloadNotSupported { message }
    ... on RepositoryLocationNotFound { message }
    ... on UnauthorizedError { message }
    ... on PythonError { message }
  }
}
"""


def describe_change(loaded: DefinitionsState, current: DefinitionsState) -> str:
    """Say what the registry has that the loaded definitions have not."""
    before, after = ({each.slug: each for each in state.customers} for state in (loaded, current))
    kinds = {
        "new": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "changed": sorted(slug for slug in after.keys() & before.keys() if after[slug] != before[slug]),
    }
    parts = [f"{what} customers: {', '.join(slugs)}" for what, slugs in kinds.items() if slugs]
    return "; ".join(parts) or "settings of the definitions changed"


def is_reload_due(
    loaded: DefinitionsState, current: DefinitionsState, asked: tuple[str, str] | None, now: datetime
) -> bool:
    """Whether to ask for a reload: the registry has moved on, and nobody asked for this within a few minutes.

    `asked` is which change was asked for and when (ISO 8601).
    """
    if current == loaded:
        return False
    if asked is None or asked[0] != describe_change(loaded, current):
        return True
    return now - datetime.fromisoformat(asked[1]) >= TRY_AGAIN_AFTER


def reload_if_due(
    loaded: DefinitionsState,
    current: DefinitionsState,
    asked: tuple[str, str] | None,
    settings: Settings,
    now: datetime,
) -> tuple[str, tuple[str, str] | None]:
    """Ask for a reload if that is due; return what to tell, empty when nothing is to be done, and the new `asked`."""
    if current == loaded:
        return "", None
    change = describe_change(loaded, current)
    if not is_reload_due(loaded, current, asked, now):
        return f"{change}: a reload was asked for and has not shown them yet. {_by_hand(settings)}", asked
    return f"{change}. {ask_for_reload(settings)}", (change, now.isoformat())


def ask_for_reload(settings: Settings) -> str:
    """Ask the webserver to reload the code location; return what came of it and, where needed, what to do."""
    url = settings.dagster_webserver_url
    if not url.startswith(("http://", "https://")):
        return f"No webserver is set to be asked. {_by_hand(settings)}"
    try:
        answer = _post(
            f"{url.rstrip('/')}/graphql", {"query": RELOAD, "variables": {"location": settings.code_location}}
        )
        outcome = answer["data"]["reloadRepositoryLocation"]
        found = outcome.get("locationOrLoadError", outcome)
    except (OSError, ValueError, LookupError, TypeError) as error:
        return f"No webserver answered at {url} ({type(error).__name__}: {error}). {_by_hand(settings)}"
    if found["__typename"] == "RepositoryLocation":
        return f"The code location {settings.code_location} was reloaded"
    return f"The reload failed ({found['__typename']}: {found.get('message', '')}). {_by_hand(settings)}"


def _post(url: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - http or https, see above
    with urllib.request.urlopen(request, timeout=RELOAD_TIMEOUT_SECONDS) as response:  # noqa: S310
        return json.load(response)


def _by_hand(settings: Settings) -> str:
    return (
        f"Reload {settings.code_location} under Deployment in the UI, or set CLICKSTREAM_DAGSTER_WEBSERVER_URL and "
        "CLICKSTREAM_CODE_LOCATION; the hours of new customers wait"
    )
