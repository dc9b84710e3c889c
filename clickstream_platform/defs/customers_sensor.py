"""The `customers` sensor: when the registry has other customers than the loaded assets, the code location is reloaded.

Belongs here: noticing and asking. Does not: building the assets of the new customers (`customers`, at the reload).
"""

import json
import urllib.request
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from clickstream_platform.defs.platform import Platform
from clickstream_platform.defs.state import DefinitionsState, read_state
from clickstream_platform.settings import Settings

CUSTOMERS_SENSOR = "customers"
RELOAD_TIMEOUT_SECONDS = 45  # a tick must end within 60
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


def build_customers_sensor(state: DefinitionsState) -> dg.SensorDefinition:
    """Return the sensor that compares the registry with the state these definitions were built from."""

    @dg.sensor(
        name=CUSTOMERS_SENSOR,
        minimum_interval_seconds=state.sensor_interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reloads the code location when customers were added, removed or moved to another destination.",
    )
    def customers(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
        """Ask the webserver for a reload when the registry has moved on."""
        wiring = platform.pipeline.wiring
        now = wiring.clock.now()
        current = read_state(wiring.settings, wiring.registry.snapshot(), now)
        if current == state:
            reason = f"all {len(state.customers)} customers have their assets"
            return dg.SensorResult(skip_reason=reason, cursor="")
        change = describe_change(state, current)
        if not _is_due(context.cursor, change, now):
            reason = f"{change}: a reload was asked for and has not shown them yet. {_by_hand(wiring.settings)}"
            return dg.SensorResult(skip_reason=reason, cursor=context.cursor)
        reason = f"{change}. {ask_for_reload(wiring.settings)}"
        context.log.info(reason)
        return dg.SensorResult(skip_reason=reason, cursor=json.dumps({"change": change, "asked_at": now.isoformat()}))

    return customers


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


def _is_due(cursor: str | None, change: str, now: datetime) -> bool:
    """Whether to ask: not again for the same change within a few minutes."""
    if not cursor:
        return True
    asked = json.loads(cursor)
    return bool(asked["change"] != change or now - datetime.fromisoformat(asked["asked_at"]) >= TRY_AGAIN_AFTER)
