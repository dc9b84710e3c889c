"""One client's session: its messages, answered by PostgreSQL, by the stand-in or by a fault.

Belongs here: the simple and the extended protocol. Does not: what statements do (`execution`), the start of a
connection (`server`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from clickstream_platform_tests.redshift_stand_in.execution import Execution
from clickstream_platform_tests.redshift_stand_in.plans import Plan
from clickstream_platform_tests.redshift_stand_in.wire import SqlError, Wire, cut_string, message

_NO_RESULT = message(b"t", b"\0\0") + message(b"n")
MAX_PARAMETERS = 32767


@dataclass
class Prepared:
    """A prepared statement: its text and plan, and PostgreSQL's name of it (empty when it never got it)."""

    sql: str
    plan: Plan
    inner: bytes = b""


@dataclass
class Session:
    """Reads the client's messages until it leaves."""

    client: Wire
    execution: Execution
    _statements: dict[bytes, Prepared] = field(default_factory=dict)
    _portals: dict[bytes, Prepared] = field(default_factory=dict)
    _is_skipping: bool = False
    _number: int = 0

    def run(self) -> None:
        """Serve until the client leaves (ConnectionGoneError) or a fault drops the connection (DroppedError)."""
        handlers = {
            b"P": self._parse,
            b"B": self._bind,
            b"D": self._describe,
            b"E": self._execute,
            b"C": self._close,
        }
        while True:
            kind, body = self.client.read()
            if kind == b"X":
                return
            if kind == b"Q":
                self._simple(body)
            elif kind == b"S":
                self._sync()
            elif kind == b"H":
                self.client.flush()
            elif not self._is_skipping:
                try:
                    handlers.get(kind, _refuse)(body)
                except SqlError as error:
                    self.execution.fail_transaction()
                    self.client.write(self.execution.shown(error).encoded())
                    self._is_skipping = True

    def _sync(self) -> None:
        self._is_skipping = False
        self.execution.sync()
        self.client.write(message(b"Z", self.execution.backend.status.encode()))
        self.client.flush()

    def _simple(self, body: bytes) -> None:
        try:
            sql = body[:-1].decode()
            plan = self._only_plan(sql)
            if plan.kind == "EMPTY":
                self.client.write(message(b"I"))
            else:
                self.execution.before(plan)
                self.execution.simple(plan, sql)
        except SqlError as error:
            self.execution.fail_transaction()
            self.client.write(self.execution.shown(error).encoded())
        self.client.write(message(b"Z", self.execution.backend.status.encode()))
        self.client.flush()

    def _parse(self, body: bytes) -> None:
        name, offset = cut_string(body)
        text, offset = cut_string(body, offset)
        (count,) = struct.unpack_from("!H", body, offset)
        if count > MAX_PARAMETERS:
            raise SqlError("08P01", f"{count} parameters are more than {MAX_PARAMETERS}")
        sql = text.decode()
        plan = self._only_plan(sql)
        self._forget(name)
        prepared = Prepared(sql, plan)
        if plan.text:
            self._number += 1
            prepared.inner = f"stand_in_{self._number}".encode()
            self.execution.lock(plan)
            self.execution.forward(b"P", prepared.inner + b"\0" + plan.text.encode() + b"\0" + body[offset:])
        else:
            if self.execution.backend.status == "E":
                raise self.execution.aborted()
            self.client.write(message(b"1"))
        self._statements[name] = prepared

    def _bind(self, body: bytes) -> None:
        portal, offset = cut_string(body)
        name, rest = cut_string(body, offset)
        prepared = self._prepared(name)
        self._portals[portal] = prepared
        if not prepared.inner:
            self.client.write(message(b"2"))
            return
        self.execution.before(prepared.plan)
        self.execution.forward(b"B", portal + b"\0" + prepared.inner + b"\0" + body[rest:])

    def _describe(self, body: bytes) -> None:
        kind, name = body[:1], body[1:-1]
        prepared = self._prepared(name) if kind == b"S" else self._portals.get(name)
        if prepared is None:
            raise SqlError("34000", f'portal "{name.decode()}" does not exist')
        if not prepared.inner:
            self.client.write(_NO_RESULT if kind == b"S" else message(b"n"))
            return
        self.execution.forward(b"D", kind + (prepared.inner if kind == b"S" else name) + b"\0")

    def _execute(self, body: bytes) -> None:
        name, _ = cut_string(body)
        prepared = self._portals.get(name)
        if prepared is None:
            raise SqlError("34000", f'portal "{name.decode()}" does not exist')
        self.execution.extended(prepared.plan, prepared.sql, body)

    def _close(self, body: bytes) -> None:
        kind, name = body[:1], body[1:-1]
        if kind == b"S":
            self._forget(name)
        elif name in self._portals:
            prepared = self._portals.pop(name)
            if prepared.inner:
                self.execution.forward(b"C", b"P" + name + b"\0", quietly=True)
        self.client.write(message(b"3"))

    def _forget(self, name: bytes) -> None:
        prepared = self._statements.pop(name, None)
        if prepared and prepared.inner:
            self.execution.forward(b"C", b"S" + prepared.inner + b"\0", quietly=True)

    def _only_plan(self, sql: str) -> Plan:
        plans = self.execution.plans(sql)
        if len(plans) > 1:
            raise SqlError("42601", "the Redshift stand-in takes one statement at a time")
        return plans[0] if plans else Plan("EMPTY", " ")

    def _prepared(self, name: bytes) -> Prepared:
        if name not in self._statements:
            raise SqlError("26000", f'prepared statement "{name.decode()}" does not exist')
        return self._statements[name]


def _refuse(_: bytes) -> None:
    raise SqlError("08P01", "the Redshift stand-in doesn't take messages of this kind")
