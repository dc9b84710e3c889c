"""Whether the tables hold what was sent: every value of every record, by its column, or in `_discards`.

Belongs here: comparing JSON as sent with values as loaded. Does not: which record of two with one id wins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from clickstream_platform.model.naming import event_slug
from clickstream_platform.model.streams import DISCARDS, TABLE_OF_TYPE
from clickstream_platform.model.timestamps import parse_timestamp
from clickstream_platform.transform.records import read_record
from clickstream_platform_tests.acceptance.readers import Table

MAX_DEPTH = 8


def missing_values(tables: Mapping[str, Table], lines: Iterable[bytes]) -> list[str]:
    """Return what was sent and is neither in its row nor in `_discards`; each id is sent once."""
    rows = {(name, row["id"]): row for name, table in tables.items() for row in table.rows if "id" in row}
    discards = tables[DISCARDS].rows if DISCARDS in tables else ()
    discarded = {(row["table_name"], row["row_id"], row["column_name"], row["column_value"]) for row in discards}
    faults = []
    for line in lines:
        record = json.loads(line)
        table = TABLE_OF_TYPE.get(record["type"]) or event_slug(record["event"])
        flat, _ = read_record(line, table, max_depth=MAX_DEPTH)
        row = rows[table, record["messageId"]]
        for column, text in flat.columns.items():
            if not is_loaded(text, row.get(column)) and (table, record["messageId"], column, text) not in discarded:
                faults.append(f"{table}.{column} of {record['messageId']}: {text} became {row.get(column)!r}")
        strangers = row.keys() - flat.columns.keys() - {"event", "received_at", "batch_hour"}
        faults += [f"{table}.{column} of {record['messageId']} was never sent" for column in strangers]
    return faults


def is_loaded(text: str, value: Any) -> bool:
    """Whether a loaded value says exactly what the JSON text says."""
    if isinstance(value, str):
        return value in (text, json.loads(text) if text[0] == '"' else text) or is_same_json(value, text)
    if isinstance(value, datetime):
        return parse_timestamp(str(json.loads(text))) == value.replace(tzinfo=UTC)
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, int):
        return int(text) == value if text.lstrip("-").isdigit() else float(text) == value
    return isinstance(value, float) and float(text) == value


def is_same_json(value: str, text: str) -> bool:
    """Whether an array or object is the one that was sent; Redshift keeps no blanks between its parts."""
    return text[0] in "[{" and value[:1] == text[0] and json.loads(value) == json.loads(text)
