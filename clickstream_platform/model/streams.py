"""The stream: one customer's one event, and the tables that its records feed.

Belongs here: the pair of slugs and what kind of record an event slug stands for. Does not: how a sent name becomes a
slug (`model.naming`).
"""

from __future__ import annotations

from dataclasses import dataclass

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.naming import is_slug

# Record type of the Segment specification -> table (and event slug) of its records; `track` has a table per event.
TABLE_OF_TYPE = {
    "identify": "identifies",
    "page": "pages",
    "screen": "screens",
    "group": "groups",
    "alias": "aliases",
}
TYPE_OF_TABLE = {table: kind for kind, table in TABLE_OF_TYPE.items()}
RECORD_TYPES = frozenset({"track", *TABLE_OF_TYPE})

TRACKS, USERS, ACCOUNTS, LOADS, DISCARDS = "tracks", "users", "accounts", "_loads", "_discards"

# Holds raw lines that name no stream (damaged, not JSON, no event): they are kept and counted, and load into no table.
UNIDENTIFIED = "_unidentified"


@dataclass(frozen=True, order=True, slots=True)
class Stream:
    """A customer and an event, both slugs; `str()` gives `<customer>/<event>`."""

    customer: str
    event: str

    def __post_init__(self) -> None:
        """Refuse anything that is not a slug."""
        for what, text in (("customer", self.customer), ("event", self.event)):
            if not is_slug(text):
                raise InvalidNameError(
                    f"naming a {what}",
                    cause=f"{text!r} is not a slug",
                    remedy="Use lower-case letters, digits and '_', at most 100 bytes.",
                )

    def __str__(self) -> str:
        return f"{self.customer}/{self.event}"

    @property
    def record_type(self) -> str:
        """The record type that belongs into this stream: `track` unless the slug is one of the standard tables."""
        return TYPE_OF_TABLE.get(self.event, "track")
