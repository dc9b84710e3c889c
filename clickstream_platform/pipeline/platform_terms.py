"""What findings of the platform have in common: when something is worth a look, and where people look.

Belongs here: limits, addresses, lists of names as text. Does not: judging (`platform_findings`, `run_findings`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When the platform itself is worth a look, in seconds."""

    heartbeat: float = 180.0
    """Daemons write theirs every 30 s."""
    ticks: float = 5.0
    """A sensor is stale after so many of its own intervals,"""
    tick: float = 300.0
    """but never sooner than this."""
    starting: float = 600.0
    """A run that was launched should work by then, and one that was cancelled have ended."""
    registry: float = 600.0
    batcher: float = 900.0


@dataclass(frozen=True, slots=True)
class Pages:
    """Where people look, as `pipeline.freshness.report.Links`: Dagster's web interface and the registry's page."""

    webserver: str = ""
    """Empty, or no URL: nobody knows it."""
    registry: str = ""
    name_of: Callable[[str], str] = str
    """Returns a customer's name in Dagster."""

    def run(self, run_id: str) -> str:
        """Return the address of a run."""
        return self.dagster(f"/runs/{run_id}") if run_id else ""

    def check(self, customer: str, check: str) -> str:
        """Return the address of a check of a customer's tables."""
        return self.dagster(f"/assets/{self.name_of(customer)}/event_tables?view=checks&checkDetail={check}")

    def page(self, customer: str, event: str | None) -> str:
        """Return the address of a customer's or event's page in the registry."""
        tail = "" if event is None else f"/events/{quote(event, safe='')}"
        return _below(self.registry, f"/admin/customers/{quote(customer, safe='')}{tail}")

    def dagster(self, path: str) -> str:
        """Return the address of a page of Dagster's web interface, such as `/runs`."""
        return _below(self.webserver, path)


def _below(address: str, path: str) -> str:
    return f"{address.rstrip('/')}{path}" if address.startswith(("http://", "https://")) else ""


def links_of(**addresses: str) -> dict[str, str]:
    """Return the addresses that are known, by what they are of."""
    return {name: address for name, address in addresses.items() if address}


def name_some(names: Sequence[str]) -> str:
    """Return the first of them as a text, and how many more there are."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{', '.join(names[:MAX_NAMED])}{more}"
