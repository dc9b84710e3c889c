"""What following the registry remembers between two ticks, and its written form, the registry sensor's cursor.

Belongs here: which customers have been followed, which back-fills are going on, their JSON. Does not: comparing with
the registry (`registry_sync`) and looking for hours (`backfills`).

Losing the memory loses nothing: everything is compared anew, and what the ledger has is not requested again.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.hours import Hour

VERSION = 1
# Bounds on what is written down at every tick; what is over them waits, or is compared again when its customer changes.
MAX_BACKFILLS = 200
MAX_CUSTOMER_BACKFILLS = 20
MAX_FILLED = 2_000


@dataclass(slots=True)
class Backfill:
    """One event that came into use, and where its search for hours goes on (None: it has not begun)."""

    customer: str
    event: str
    activation: int
    next_hour: Hour | None = None


@dataclass(slots=True)
class RegistryMemory:
    """What was done.

    `followed`: customer -> fingerprint of its events when they were last compared.
    `waiting`: customers of `followed` for whom something is left to do although nothing changed.
    `leaving`: customer -> since when partitions of it are to go (ISO 8601, UTC).
    `filled`: customer -> event -> the activation that was back-filled; only of events that came into use twice.
    `backfills`: those that are going on, the next one first.
    `reload`: which change a reload was asked for, and when (ISO 8601).
    `taken_at`, `etag`: of the newest snapshot that was followed, when it was taken (ISO 8601, UTC).
    """

    followed: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    filled: dict[str, dict[str, int]] = field(default_factory=dict)
    backfills: list[Backfill] = field(default_factory=list)
    reload: tuple[str, str] | None = None
    taken_at: str = ""
    etag: str = ""
    leaving: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_cursor(cls, cursor: str | None) -> RegistryMemory:
        """Read a cursor; one that is empty or can't be read is an empty memory: everything is compared anew."""
        try:
            body = json.loads(zlib.decompress(base64.b85decode(cursor or "")))
            if body["version"] != VERSION:
                return cls()
            return cls(
                body["followed"],
                set(body["waiting"]),
                body["filled"],
                [
                    Backfill(customer, event, activation, Hour.parse(hour) if hour else None)
                    for customer, event, activation, hour in body["backfills"]
                ],
                (body["reload"][0], body["reload"][1]) if body["reload"] else None,
                body.get("taken_at", ""),
                body.get("etag", ""),
                body.get("leaving", {}),
            )
        except (ValueError, TypeError, LookupError, zlib.error, InvalidNameError):
            return cls()

    def to_cursor(self) -> str:
        """Return the written form, compressed: Dagster keeps a copy of it with every tick."""
        body = {
            "version": VERSION,
            "followed": self.followed,
            "waiting": sorted(self.waiting),
            "filled": self.filled,
            "backfills": [
                [each.customer, each.event, each.activation, str(each.next_hour) if each.next_hour else None]
                for each in self.backfills
            ],
            "reload": self.reload,
            "taken_at": self.taken_at,
            "etag": self.etag,
            "leaving": self.leaving,
        }
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        return base64.b85encode(zlib.compress(text.encode())).decode()

    def is_filled(self, customer: str, event: str, activation: int) -> bool:
        """Whether this activation, or a later one, was back-filled; the first needs none."""
        return activation <= self.filled.get(customer, {}).get(event, 1)

    def finish(self, backfill: Backfill) -> None:
        """Note that a back-fill is requested in full."""
        self.backfills.remove(backfill)
        self.filled.setdefault(backfill.customer, {})[backfill.event] = backfill.activation
        while sum(map(len, self.filled.values())) > MAX_FILLED:
            customer = next(iter(self.filled))
            self.filled[customer].pop(next(iter(self.filled[customer])))
            if not self.filled[customer]:
                del self.filled[customer]

    def forget(self, customer: str) -> None:
        """Forget a customer that is gone."""
        self.followed.pop(customer, None)
        self.filled.pop(customer, None)
        self.leaving.pop(customer, None)
        self.waiting.discard(customer)
        self.backfills = [each for each in self.backfills if each.customer != customer]
