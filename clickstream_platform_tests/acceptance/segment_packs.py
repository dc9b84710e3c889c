"""Loads hundreds of recorded cases in a few batches, as if each had been loaded alone.

Cases share a batch when none can change what the others become: no id of an event and no user twice, and the same type
for every column that they share. Belongs here: finding such batches and loading them. Does not: comparing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.ingest.routing import Router
from clickstream_platform.model.streams import TABLE_OF_TYPE, TRACKS, UNIDENTIFIED, USERS
from clickstream_platform.transform.inference import infer_column
from clickstream_platform.transform.kinds import kinds_of
from clickstream_platform.transform.layout import is_common_column
from clickstream_platform.transform.records import read_record
from clickstream_platform_tests.acceptance.driver import HOUR, Platform
from clickstream_platform_tests.acceptance.readers import Table
from clickstream_platform_tests.acceptance.segment_cases import OurTable

MANY_TABLES = 50

Types = dict[tuple[str, str], str]


@dataclass
class Pack:
    """Cases that are loaded together: their lines by stream, the ids they use, and the type of every column."""

    lines: dict[str, list[bytes]] = field(default_factory=dict)
    ids: dict[str, tuple[str, str]] = field(default_factory=dict)  # case -> stream, messageId
    users: set[str] = field(default_factory=set)
    types: Types = field(default_factory=dict)

    def takes(self, place: tuple[str, str], user: str | None, types: Types) -> bool:
        """Whether nothing of a case can meet anything of the others."""
        free = place not in self.ids.values() and user not in self.users
        return free and all(self.types.get(column, found) == found for column, found in types.items())


def pack_cases(cases: Iterable[Mapping[str, Any]]) -> list[Pack]:
    """Distribute cases over as few packs as a simple search finds."""
    packs: list[Pack] = []
    router = Router(HOUR)
    for case in cases:
        place, line = router.route(orjson.dumps(case["input"]))
        identity = orjson.loads(line)["messageId"]
        types = _types(line, place.event)
        user = str(case["input"].get("userId")) if case["input"]["type"] == "identify" else None
        pack = next((pack for pack in packs if pack.takes((place.event, identity), user, types)), None)
        if pack is None:
            pack = Pack()
            packs.append(pack)
        pack.lines.setdefault(place.event, []).append(line)
        pack.ids[case["id"]] = (place.event, identity)
        pack.types |= types
        pack.users |= {user} if user else set()
    return packs


def _types(line: bytes, event: str) -> Types:
    """Return the type of every column that the record would get alone, in each of its tables."""
    try:
        flat, record = read_record(line, event, max_depth=8)
    except RejectedRecordError:
        return {}
    beside = TRACKS if record["type"] == "track" else USERS if record["type"] == "identify" else ""
    types: Types = {}
    for column, text in flat.columns.items():
        kinds, lengths = kinds_of(pa.array([text]))
        found = infer_column(column, int(kinds[0]), int(lengths[0])).type.value
        types[event, column] = found
        if beside and (beside == USERS or is_common_column(column)):
            types[beside, column] = found
    return types


def load_cases(platforms: Callable[[], Platform], cases: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, OurTable]]:
    """Load all cases; return case -> table -> its row there."""
    found: dict[str, dict[str, OurTable]] = {}
    small = platforms()
    for number, pack in enumerate(pack_cases(cases)):
        # The first pack makes hundreds of tables, which would slow down the others.
        platform = small if len(pack.lines) < MANY_TABLES else platforms()
        customer = platform.add_customer(f"pack_{number}")
        for event, lines in pack.lines.items():
            platform.put_raw(customer, event, b"\n".join(lines))
        platform.load(customer)
        tables = platform.tables(customer)
        for case, (event, identity) in pack.ids.items():
            found[case] = {} if event == UNIDENTIFIED else _rows(tables, event, identity)
    return found


def _rows(tables: Mapping[str, Table], event: str, identity: str) -> dict[str, OurTable]:
    row = tables[event].row(identity)
    found = {event: (tables[event], row)}
    if event not in TABLE_OF_TYPE.values():
        (common,) = (r for r in tables[TRACKS].rows if (r["event"], r["id"]) == (event, identity))
        found[TRACKS] = (tables[TRACKS], common)
    elif event == TABLE_OF_TYPE["identify"] and "user_id" in row:
        found[USERS] = (tables[USERS], tables[USERS].row(row["user_id"]))
    return {
        name: OurTable({column: kind.lower() for column, kind in table.types.items()}, values)
        for name, (table, values) in found.items()
    }
