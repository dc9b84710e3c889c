"""Which results of checks a sensor reports at a tick: what changed, bad news before good, the rest once in a while.

Each result is an event in Dagster's storage, so what stays as it is is not told at each tick. Belongs here: choosing,
and the cursor that remembers. Does not: the results (`freshness`, `unusual`).
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg

from clickstream_platform.defs.state import EVENT_TABLES, CustomerState

TELL_AGAIN_AFTER = timedelta(hours=1)
"""The UI shows when a check was evaluated: an old result looks as if nobody looked."""
MAX_EVALUATIONS = 100
"""At a tick: some milliseconds each; the next tick goes on."""
_NEVER = ("", datetime.fromtimestamp(0, UTC))


@dataclass(frozen=True, slots=True)
class Offer:
    """A result that may be told."""

    key: str
    """Whose it is: a customer, or a customer and a check."""
    digest: str
    """Changes with the result."""
    is_bad: bool
    loaded_at: datetime | None = None
    """When the asset was materialized last: Dagster shows no result of a check from before that."""


@dataclass
class Told:
    """What was reported: a digest of each result and when. The sensor's cursor is its written form."""

    results: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    @classmethod
    def from_cursor(cls, text: str | None) -> "Told":
        """Read the written form; nothing was told when there is none, or one of another version."""
        try:
            body = json.loads(text or "{}")
            return cls({name: (each[0], datetime.fromtimestamp(each[1], UTC)) for name, each in body.items()})
        except (ValueError, TypeError, LookupError, AttributeError):
            return cls()

    def to_cursor(self, keys: Collection[str]) -> str:
        """Return the written form; results of anything but these keys are left out."""
        body = {name: [digest, int(at.timestamp())] for name, (digest, at) in self.results.items() if name in keys}
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False)

    def choose(self, offers: Iterable[Offer], at: datetime) -> list[str]:
        """Return the keys of the results to report now, and take note of them."""
        due: list[tuple[tuple[bool, bool, datetime, str], Offer]] = []
        for offer in offers:
            digest, told_at = self.results.get(offer.key, _NEVER)
            is_changed = digest != offer.digest
            is_hidden = offer.loaded_at is not None and offer.loaded_at >= told_at
            if is_changed or is_hidden or at - told_at >= TELL_AGAIN_AFTER:
                due.append(((not is_changed, not offer.is_bad, told_at, offer.key), offer))
        chosen = [offer for _, offer in sorted(due, key=lambda each: each[0])[:MAX_EVALUATIONS]]
        self.results.update({offer.key: (offer.digest, at) for offer in chosen})
        return [offer.key for offer in chosen]


def tables_of(customer: CustomerState) -> dg.AssetKey:
    """Return the asset whose checks these are."""
    return dg.AssetKey([customer.name, EVENT_TABLES])


def loaded_at(instance: dg.DagsterInstance, customers: Iterable[CustomerState]) -> dict[str, datetime]:
    """Return when each customer's tables were materialized last, by slug; one whose tables never were is not in it."""
    slugs = {tables_of(customer): customer.slug for customer in customers}
    entries = [record.asset_entry for record in instance.get_asset_records(list(slugs))]
    return {
        slugs[entry.asset_key]: datetime.fromtimestamp(entry.last_materialization_record.timestamp, UTC)
        for entry in entries
        if entry.last_materialization_record is not None
    }
