"""Programmed faults: which statement fails, how; and the log of what was received.

Belongs here: choosing and counting. Does not: carrying a fault out (`session`).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from clickstream_platform_tests.redshift_stand_in.wire import SqlError

Kind = Literal[
    "serialization",  # error 1023: the transaction must be run again
    "throttle",  # S3 or the cluster asks to slow down
    "error",  # any other error, see `code` and `message`
    "drop_before",  # the connection closes, nothing is executed
    "drop_after",  # the statement is executed, also a COMMIT; then the connection closes without an answer
    "delay",  # the statement waits for `seconds`
    "refuse_connection",  # new connections are refused; `pattern` looks at the user's name
]

_KEPT_STATEMENTS = 100_000
_LINE = "-" * 47
ERRORS = {
    "serialization": SqlError(
        "XX000",
        "1023",
        "Serializable isolation violation on table - 100042, transactions forming the cycle are: 1041, 1042 (pid:4711)",
    ),
    "throttle": SqlError(
        "XX000",
        # COPY of Parquet reads through Spectrum, and these are Spectrum's words.
        "S3 Query Exception (Fetch)",
        f"\n  {_LINE}\n  error:  S3 Query Exception (Fetch)\n  code:      15001\n"
        "  context:   Task failed due to an internal error. HTTP response error code: 503 Message: Slow Down,"
        f"Status 503,Error SlowDown,Rid STANDIN\n  query:     4711\n  location:  dory_util.cpp:913\n  {_LINE}\n",
    ),
    "refuse_connection": SqlError("53300", 'connection limit "500" exceeded for non-bootstrap users', severity="FATAL"),
}


@dataclass
class Fault:
    """Strikes at the `nth` statement (from 1) that matches `pattern`, then at the next ones, `times` in all."""

    kind: Kind
    pattern: str = ""
    nth: int = 1
    times: int = 1
    seconds: float = 0.0
    code: str = "XX000"
    message: str = "injected fault"
    seen: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"unknown kind of fault {self.kind!r}: {', '.join(get_args(Kind))}")

    @property
    def is_over(self) -> bool:
        """Tell whether it has struck as often as it should."""
        return self.seen >= self.nth + self.times - 1

    def strikes(self, text: str) -> bool:
        """Count a statement and tell whether the fault strikes at it."""
        if self.is_over or not re.search(self.pattern, text, re.IGNORECASE | re.DOTALL):
            return False
        self.seen += 1
        return self.seen >= self.nth

    @property
    def error(self) -> SqlError | None:
        """Return the error it gives; None for those that give none."""
        return SqlError(self.code, self.message) if self.kind == "error" else ERRORS.get(self.kind)


class Faults:
    """The faults to come. Safe to use from every thread."""

    def __init__(self) -> None:
        """Start without any."""
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, kind: Kind, pattern: str = "", **options: float | str) -> Fault:
        """Add a fault; options are the fields of Fault. `fault.seen` tells later how many statements matched."""
        fault = Fault(kind, pattern, **options)  # type: ignore[arg-type]
        with self._lock:
            self._faults.append(fault)
        return fault

    def add_json(self, text: str) -> None:
        """Add the fault that a JSON object describes; raise SqlError for a wrong one."""
        try:
            values = json.loads(text)
            self.add(**values)
        except (ValueError, TypeError) as error:
            raise SqlError("22023", f"stand_in.fault: {error}") from error

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def striking(self, sql: str) -> list[Fault]:
        """Return the faults that strike at a statement."""
        with self._lock:
            return [fault for fault in self._faults if fault.kind != "refuse_connection" and fault.strikes(sql)]

    def refusing(self, user: str) -> Fault | None:
        """Return the fault that refuses a new connection."""
        with self._lock:
            found = [fault for fault in self._faults if fault.kind == "refuse_connection" and fault.strikes(user)]
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as received (parameters are `$1`…), the number of its session, its kind for the stand-in."""

    session: int
    sql: str
    kind: str


@dataclass
class StatementLog:
    """The last statements (at least 100,000) in the order of execution. Safe to use from every thread."""

    entries: list[Statement] = field(default_factory=list)
    listeners: list[Callable[[Statement], None]] = field(default_factory=list)
    after_listeners: list[Callable[[Statement], None]] = field(default_factory=list)

    def add(self, statement: Statement) -> None:
        """Note a statement; listeners hear of it before it is executed."""
        self.entries.append(statement)
        if len(self.entries) > 2 * _KEPT_STATEMENTS:
            del self.entries[:_KEPT_STATEMENTS]
        for listener in list(self.listeners):
            listener(statement)

    def tell_after(self, statement: Statement) -> None:
        """Tell the other listeners that a statement was executed, with its commit; its client doesn't know yet."""
        for listener in list(self.after_listeners):
            listener(statement)

    def clear(self) -> None:
        """Forget all statements."""
        self.entries.clear()

    @property
    def texts(self) -> list[str]:
        """Return the SQL alone."""
        return [entry.sql for entry in self.entries]

    def count(self, kind: str) -> int:
        """Return how many statements were of a kind, such as `COPY`, `COMMIT`, `BEGIN` or `INSERT`."""
        return sum(entry.kind == kind for entry in self.entries)
