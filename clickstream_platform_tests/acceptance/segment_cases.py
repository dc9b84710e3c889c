"""Recorded results of RudderStack's Redshift transformer compared with ours; each difference has a documented class.

Belongs here: finding differences, and the classes of docs/deviations.md as predicates. Does not: the rules themselves,
nor names (`fixtures_segment/test_identifiers.py`), whose classes are used here where a name is all that differs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clickstream_platform.model.naming import MAX_SLUG_BYTES, event_slug, snake_case
from clickstream_platform.model.reserved_words import RESERVED_WORDS
from clickstream_platform.model.timestamps import parse_timestamp
from clickstream_platform.transform.layout import column_of, standard_columns
from clickstream_platform_tests.fixtures_segment.test_identifiers import ONLY_IN_RUDDERSTACK

OUR_TYPES = {
    "string": "varchar",
    "text": "varchar",
    "int": "bigint",
    "float": "double",
    "boolean": "boolean",
    "datetime": "timestamp",
}
ABSENT = "absent"
MAX_EXACT_DOUBLE = 2**53


@dataclass(frozen=True)
class OurTable:
    """One row of ours, and the types of its table's columns."""

    types: Mapping[str, str]
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """What differs: a whole table (`column` is empty), or a column: presence, type or value; `more` is only here."""

    case: str
    sent: Mapping[str, Any]
    table: str
    column: str
    what: str  # table | column | type | value | more
    theirs: Any
    ours: Any
    their_type: str = ABSENT
    our_type: str = ABSENT


def compare(case: Mapping[str, Any], tables: Mapping[str, OurTable]) -> Iterator[Difference | None]:
    """Yield a difference, or None where they agree, for every expected table and column and for our own columns."""
    for expected in case["expected"]:
        name, sent = expected["table"], case["input"]
        found = tables.get(name)
        if found is None:
            yield Difference(case["id"], sent, name, "", "table", expected["data"], sorted(tables))
            continue
        yield None
        for column, their_type in expected["columns"].items():
            if column == "uuid_ts":  # when a row was loaded
                continue
            our_type, theirs = found.types.get(column, ABSENT), expected["data"].get(column)
            ours = plain(found.row.get(column))
            if our_type == OUR_TYPES[their_type] and ours == theirs:
                yield None
                continue
            what = "column" if our_type == ABSENT else "type" if our_type != OUR_TYPES[their_type] else "value"
            yield Difference(case["id"], sent, name, column, what, theirs, ours, their_type, our_type)
        for column, our_type in found.types.items():
            ours = plain(found.row.get(column))
            if ours is not None and column not in expected["columns"] and column not in ("uuid_ts", "batch_hour"):
                yield Difference(case["id"], sent, name, column, "more", None, ours, ABSENT, our_type)


def plain(value: Any) -> Any:
    """Return a value as the recorded results write it."""
    return f"{value.isoformat(timespec='milliseconds')}Z" if isinstance(value, datetime) else value


def leaves(record: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and value of everything in a record that is no object."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from leaves(value, (*prefix, key))
        else:
            yield (*prefix, key), value


def sent_for(d: Difference) -> list[tuple[tuple[str, ...], Any]]:
    """Return the paths and values of the record that become the column here, in document order."""
    kind = d.sent["type"]
    return [(path, value) for path, value in leaves(d.sent) if value is not None and column_of(kind, path) == d.column]


def _is_arrays(d: Difference) -> bool:
    return d.what == "type" and d.our_type == "json" and isinstance(d.theirs, list) and json.loads(d.ours) == d.theirs


def _is_exact_integers(d: Difference) -> bool:
    is_integer = d.what == "value" and d.our_type == "bigint" and abs(d.ours) > MAX_EXACT_DOUBLE
    return is_integer and float(d.ours) == float(d.theirs) and sent_for(d)[0][1] == d.ours


def _is_written_fraction(d: Difference) -> bool:
    return d.what == "type" and (d.their_type, d.our_type) == ("int", "double") and d.theirs == d.ours


def _is_text_ids(d: Difference) -> bool:
    is_id = d.column == "user_id" or (d.table == "users" and d.column == "id")
    return is_id and d.what == "type" and d.our_type == "varchar" and d.ours == str(d.theirs)


def _is_empty_values(d: Difference) -> bool:
    return d.what == "more" and d.ours in ("", "[]") and not _is_kept_apart(d)


def _is_invalid_times(d: Difference) -> bool:
    is_time = d.what == "type" and (d.their_type, d.our_type) == ("string", "timestamp")
    return is_time and d.ours is None and parse_timestamp(d.theirs) is None


def _is_passed_ip(d: Difference) -> bool:
    return d.what == "column" and d.column == "context_passed_ip" and d.theirs == d.sent["context"]["ip"]


def _is_event_of_table(d: Difference) -> bool:
    return d.what == "value" and d.column == "event" and d.ours == event_slug(d.sent["event"]) == f"_{d.theirs}"


def _is_no_event_name(d: Difference) -> bool:
    return d.what == "table" and d.table == "tracks" and not isinstance(d.sent.get("event"), str) and not d.ours


def _is_split_strings(d: Difference) -> bool:
    if d.what == "column":
        context = d.sent.get("context")
        traits = context.get("traits") if isinstance(context, dict) else None
        return d.column == "context_traits" and isinstance(traits, dict) and d.theirs == "".join(traits.values())
    paths = [path for path, _ in sent_for(d)]
    return d.what == "more" and any(path[-2:-1] == ("traits",) and path[-1].isdigit() for path in paths)


def _is_users_times(d: Difference) -> bool:
    times = ("sent_at", "timestamp", "original_timestamp")
    return d.table == "users" and d.what == "column" and d.column in times


def _is_all_fields(d: Difference) -> bool:
    """Whether this is a value that they don't load at all: of a field they do not know, or of the wrong section."""
    if d.what != "more" or d.ours in ("", "[]") or _is_split_strings(d):
        return False
    section = {"identify": "traits", "group": "traits", "alias": "traits"}.get(d.sent["type"], "properties")
    return d.column == "record_id" or any(path[0] not in (section, "context") for path, _ in sent_for(d))


def _is_kept_apart(d: Difference) -> bool:
    """A property like a standard column is kept beside it."""
    if d.what == "column":  # traits.context.x is `context_x` there, like the context itself
        return d.column.startswith("context_") and any(path[0] == "traits" for path, _ in _sent_as(d, f"_{d.column}"))
    if all(len(path) == 1 for path, _ in sent_for(d)):
        return False
    own = d.column.removeprefix("_")
    is_taken = own in standard_columns(d.sent["type"]) or own.startswith("context_")
    return d.what == "more" and d.column.startswith("_") and is_taken and own not in RESERVED_WORDS - {"timestamp"}


def _sent_as(d: Difference, column: str) -> list[tuple[tuple[str, ...], Any]]:
    return sent_for(Difference(d.case, d.sent, d.table, column, d.what, d.theirs, d.ours))


def _is_name_collision(d: Difference) -> bool:
    values = [value for _, value in sent_for(d)]
    is_first = bool(values) and str(d.ours) == str(values[0])
    return d.what in ("type", "value") and len(values) > 1 and is_first and d.theirs == values[-1] != values[0]


def _is_other_scripts(d: Difference) -> bool:
    names = [key for path, _ in leaves(d.sent) for key in path] + [str(d.sent.get("event"))]
    foreign = [name for name in names if not name.isascii()]
    theirs = {snake_case(re.sub(r"[^\x00-\x7f]", " ", name)) for name in foreign}
    if d.what == "more":
        return d.column in {snake_case(name) for name in foreign}
    return (d.theirs if d.column == "event" else d.column or d.table) in theirs


def _is_too_long(d: Difference) -> bool:
    is_name = d.what == "table" or d.column == "event"
    return is_name and len((d.table if d.what == "table" else str(d.theirs)).encode()) > MAX_SLUG_BYTES


def _is_reserved_list(d: Difference) -> bool:
    word = d.column.removeprefix("_")
    if d.column == "timestamp":
        return False
    if d.what == "column":
        return word in (ONLY_IN_RUDDERSTACK if d.column.startswith("_") else RESERVED_WORDS)
    is_ours = word in (RESERVED_WORDS if d.column.startswith("_") else ONLY_IN_RUDDERSTACK)
    return d.what == "more" and is_ours and word != "timestamp"


# Class -> section of docs/deviations.md and predicate.
CLASSES: dict[str, tuple[str, Callable[[Difference], bool]]] = {
    "arrays": ("Types", _is_arrays),
    "exact-integers": ("Types", _is_exact_integers),
    "written-fraction": ("Types", _is_written_fraction),
    "text-ids": ("Types", _is_text_ids),
    "empty-values": ("Types", _is_empty_values),
    "invalid-times": ("Timestamps", _is_invalid_times),
    "passed-ip": ("Tables", _is_passed_ip),
    "event-of-table": ("Tables", _is_event_of_table),
    "no-event-name": ("Tables", _is_no_event_name),
    "split-strings": ("Tables", _is_split_strings),
    "users-times": ("Tables", _is_users_times),
    "all-fields": ("Tables", _is_all_fields),
    "standard-column": ("Names", _is_kept_apart),
    "name-collision": ("Names", _is_name_collision),
    "other-scripts": ("Names", _is_other_scripts),
    "too-long": ("Names", _is_too_long),
    "reserved-list": ("Names", _is_reserved_list),
}
