"""Why a COPY failed, in the words of Redshift's own tables, found by the query's id.

Belongs here: asking for it and putting it into a message. Does not: COPY itself (`redshift_copy`), errors without rows
in those tables (`redshift_errors`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from clickstream_platform.errors import LoadError
from clickstream_platform.load.statements import StagePack
from clickstream_platform.observe.logs.redaction import mask_values
from clickstream_platform.warehouses.redshift_errors import Fault
from clickstream_platform.warehouses.sql_names import Sql

Ask = Callable[[Sql], list[tuple[Any, ...]]]

LAST_COPY = Sql("SELECT pg_last_copy_id()")
# Both also ask for this session: the two tables may count queries differently, and another COPY may have the number.
_WHOLE_REASON = (
    "SELECT file_name, column_name, column_type, column_length, NULL, error_code, error_message "
    "FROM sys_load_error_detail WHERE query_id = ? AND session_id = pg_backend_pid() "
    "ORDER BY start_time, file_name, line_number LIMIT 1"
)
# Not in Serverless; the only one with the value, while its reason is cut short.
_WITH_VALUE = (
    "SELECT filename, colname, type, col_length, raw_field_value, err_code, err_reason "
    "FROM stl_load_errors WHERE query = ? AND session = pg_backend_pid() "
    "ORDER BY starttime, filename, line_number LIMIT 1"
)
_QUERY_IN_DETAIL = re.compile(r"\bquery:\s*(\d+)")
_FILE_IN_DETAIL = re.compile(r"file name:\s*(\S+)", re.IGNORECASE)
_COLUMN_IN_DETAIL = re.compile(r"data column (\S+) is longer")
_HOUR = re.compile(r"customer=([^/]+)/hour=([^/]+)/")
_LONGEST_VALUE = 80  # characters of a customer's value that are looked at
_REMEDY = (
    "Nothing was loaded. Stage the hour again: staging fits the rows to their columns; "
    "if the error stays, keep the object and report it with this message."
)


@dataclass(frozen=True, slots=True)
class LoadFault:
    """One row of the error tables; empty where Redshift said nothing."""

    file: str = ""
    column: str = ""
    column_type: str = ""
    value: str = ""
    reason: str = ""

    def __str__(self) -> str:
        parts = [
            f"object {self.file}" if self.file else "",
            f"column {self.column!r} ({self.column_type})" if self.column_type else "",
            f"column {self.column!r}" if self.column and not self.column_type else "",
            f"a value of {len(self.value)} characters" if self.value else "",  # the value itself is the customer's
        ]
        return ", ".join(part for part in parts if part)


def find_load_fault(fault: Fault, ask: Ask) -> LoadFault:
    """Return what is known of a failed COPY; `ask` answers outside the failed transaction and may raise nothing."""
    named = _QUERY_IN_DETAIL.search(fault.detail)
    last = [] if named else ask(LAST_COPY)
    query = int(named[1]) if named else (int(last[0][0]) if last and last[0][0] is not None else -1)
    if query > 0:
        rows = [row for source in (_WHOLE_REASON, _WITH_VALUE) for row in ask(Sql(source, (query,)))[:1]]
        if rows:
            return _merged([_of_row(row) for row in rows])
    file, column = _FILE_IN_DETAIL.search(fault.text), _COLUMN_IN_DETAIL.search(fault.text)
    return LoadFault(file[1].rstrip(".,") if file else "", column[1] if column else "")


def load_error(statement: StagePack, fault: Fault, found: LoadFault) -> LoadError:
    """Return the error of a failed COPY: for which stream-hour, object and column, why, and what to do."""
    reason = mask_values(found.reason or fault.text)
    where = str(found)
    return LoadError(
        "copying staged rows",
        where=where_of(statement),
        cause=(f"{where}: {reason}" if where else reason)[:800],
        remedy=_REMEDY,
    )


def where_of(statement: StagePack) -> str:
    """Return customer and hour of a pack as its parts' keys tell them, and the pack's name."""
    match = _HOUR.search(statement.parts[0].url) if statement.parts else None
    return f"{unquote(match[1])} {unquote(match[2])}, {statement.name}" if match else statement.name


def _merged(found: list[LoadFault]) -> LoadFault:
    """Return the first with the last one's value; the last as it is when it has a value of another row or column."""
    first, last = found[0], found[-1]
    if (first.file, first.column) == (last.file, last.column):
        return replace(first, value=last.value)
    return last if last.value else first


def _of_row(row: tuple[Any, ...]) -> LoadFault:
    file, column, column_type, length, value, code, reason = ("" if item is None else str(item).strip() for item in row)
    if column_type and length and length != "0":
        column_type = f"{column_type}({length})"
    return LoadFault(file, column, column_type, value[:_LONGEST_VALUE], f"{reason} (code {code})" if code else reason)
