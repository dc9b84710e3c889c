"""Carrying out one statement for one session: forward it, run its steps, load a COPY; with faults, log, history.

Belongs here: what happens at the execution of a plan. Does not: the messages around it (`session`).
"""

from __future__ import annotations

import struct
import time

from clickstream_platform_tests.redshift_stand_in import copy_load
from clickstream_platform_tests.redshift_stand_in.backend import Backend
from clickstream_platform_tests.redshift_stand_in.faults import ERRORS, Fault, Statement
from clickstream_platform_tests.redshift_stand_in.plans import Plan
from clickstream_platform_tests.redshift_stand_in.server_state import Finished, ServerState
from clickstream_platform_tests.redshift_stand_in.wire import DroppedError, SqlError, Wire, message, notice

_SUPER_OID = 4000
_ENDS = {b"P": b"1", b"B": b"2", b"D": b"Tn", b"E": b"CIs", b"C": b"3"}
_SERIALIZATION = ("40001",)
_MOST_PENDING_BYTES = 4_000_000


class Execution:
    """One session's way to PostgreSQL."""

    def __init__(self, state: ServerState, client: Wire, backend: Backend, user: str, database: str) -> None:
        """Work for a client that has logged in."""
        self.state, self.client, self.backend = state, client, backend
        self.number = next(state.session_ids)
        self._user, self._database = user, database
        self._locked: set[str] = set()
        self._ids = {"last_query_id": -1, "last_copy_id": -1, "last_copy_count": 0}
        self._is_unsynced = False

    def plans(self, sql: str) -> list[Plan]:
        """Translate a text; raise SqlError, also while the transaction is aborted."""
        return self.state.translator.plans(sql)

    def before(self, plan: Plan) -> None:
        """Do what must come before PostgreSQL sees a statement's values."""
        self.lock(plan)
        if plan.reads and self.backend.status != "E":
            if "sys_query_history" in plan.reads:
                self.state.flush_history(self._database)
            settings = "; ".join(f"SET stand_in.{name} TO '{value}'" for name, value in self._ids.items())
            self.backend.run(settings)

    def lock(self, plan: Plan) -> None:
        """Take Redshift's write lock: within a transaction, a table has one writer at a time."""
        if self.backend.status != "T":
            self._locked.clear()
            return
        for table in plan.locks:
            if table not in self._locked:
                self.backend.run(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
                self._locked.add(table)

    def forward(self, kind: bytes, body: bytes, *, quietly: bool = False) -> None:
        """Pass one message to PostgreSQL and its answer to the client; raise SqlError when it is an error."""
        self.backend.wire.write(message(kind, body) + message(b"H"))
        self.backend.wire.flush()
        self._is_unsynced = True
        while True:
            answer, content = self.backend.receive()
            if answer == b"E":
                raise SqlError.decoded(content)
            if not quietly:
                self._pass(answer, content)
            if answer in _ENDS[kind]:
                return

    def sync(self) -> None:
        """End the extended messages."""
        if self._is_unsynced:
            self.backend.send(b"S")
            while self.backend.receive()[0] != b"Z":
                continue
            self._is_unsynced = False
        if self.backend.status != "T":
            self._locked.clear()

    def simple(self, plan: Plan, sql: str) -> None:
        """Execute a plan that came as a simple query."""
        self._around(plan, sql, None)

    def extended(self, plan: Plan, sql: str, body: bytes) -> None:
        """Execute a portal."""
        self._around(plan, sql, body)

    def fail_transaction(self) -> None:
        """Make PostgreSQL's transaction fail as it would have if the error were its own."""
        self.sync()
        if self.backend.status == "T":
            self.backend.query("SELECT 1/0")
        self._locked.clear()

    def aborted(self) -> SqlError:
        """Return the error of everything but ROLLBACK in a failed transaction."""
        return SqlError("25P02", "current transaction is aborted, commands ignored until end of transaction block")

    def shown(self, error: SqlError) -> SqlError:
        """Return an error as Redshift words it, with long names whole."""
        if error.code in _SERIALIZATION:
            violation = ERRORS["serialization"]
            return SqlError(violation.code, violation.message, f"{violation.detail} ({error.message})")
        if error.code == "57014":
            return SqlError("57014", f"Query ({self._ids['last_query_id']}) cancelled on user's request", error.message)
        if error.code == "40P01":
            return SqlError("40P01", "deadlock detected", error.detail)
        if error.code == "54000" and error.message.startswith("row is too big"):
            return SqlError("54000", error.message, "A limit of the stand-in, whose pages are PostgreSQL's.")
        names = self.state.names
        return SqlError(error.code, names.real(error.message), names.real(error.detail), error.hint, error.severity)

    def _around(self, plan: Plan, sql: str, body: bytes | None) -> None:
        """Log, let faults strike, execute, note the end."""
        if plan.kind == "CONTROL":
            self._control(plan)
            return
        entry = Statement(self.number, sql, plan.kind)
        self.state.log.add(entry)
        faults = self.state.faults.striking(sql)
        self._strike_before(faults)
        query_id, started, error = next(self.state.query_ids), time.time(), ""
        try:
            self._carry_out(plan, body, query_id)
        except SqlError as failure:
            error = failure.message
            raise
        finally:
            # A statement that asks for the last query's id isn't that query.
            if not plan.reads:
                self._ids["last_query_id"] = query_id
            seconds = time.time() - started
            self.state.finished(
                Finished(
                    query_id, self.backend.pid, self._user, self._database, plan.kind, error, started, seconds, sql
                )
            )
        if self.state.log.after_listeners:
            self.sync()
            self.state.log.tell_after(entry)
        if any(fault.kind == "drop_after" for fault in faults):
            self.sync()
            raise DroppedError

    def _strike_before(self, faults: list[Fault]) -> None:
        for fault in faults:
            if fault.kind == "delay":
                time.sleep(fault.seconds)
            elif fault.kind == "drop_before":
                raise DroppedError
            elif fault.error:
                raise fault.error

    def _carry_out(self, plan: Plan, body: bytes | None, query_id: int) -> None:
        if plan.not_in_transaction and self.backend.status != "I":
            raise SqlError("25001", f"{plan.not_in_transaction} cannot run inside a transaction block")
        if plan.copy is not None or plan.steps:
            self.sync()
            if self.backend.status == "E":
                raise self.aborted()
        if plan.copy is not None:
            self._copy(plan, query_id)
        elif plan.steps:
            self._steps(plan)
        elif body is not None:
            self.forward(b"E", body)
        else:
            self._forward_simple(plan.text)

    def _steps(self, plan: Plan) -> None:
        """Run all steps as one simple query: outside a transaction they are a transaction of their own."""
        text = "; ".join(plan.steps)
        if plan.ends_transaction and self.backend.status == "T":
            text += "; COMMIT"
        answer = self.backend.query(text)
        if answer.error:
            raise answer.error
        if self.backend.status != "T":
            self._locked.clear()
        if plan.login is not None:
            user, password = plan.login
            self.state.users.pop(user, None)
            if password is not None:
                self.state.users[user] = password
        self.client.write(message(b"C", (plan.tag.encode() or answer.tag) + b"\0"))

    def _copy(self, plan: Plan, query_id: int) -> None:
        command = plan.copy
        if command is None:
            raise SqlError("XX000", "no COPY")
        self.lock(plan)
        reader = self.state.access.reader(command)
        try:
            count = copy_load.load(self.backend, command, reader)
        except copy_load.LoadError as error:
            self._ids["last_copy_id"] = query_id
            self.state.note_load_error(self.backend, self._database, query_id, command, error)
            line = "-" * 47
            fields = {
                "error": " Spectrum Scan Error",
                "code": error.code,
                "context": error.reason,
                "query": query_id,
                "location": "stand_in:1",
                "process": f"worker_thread [pid={self.backend.pid}]",
            }
            detail = "".join(f"\n  {name + ':':<10} {value}" for name, value in fields.items())
            raise SqlError("XX000", "Spectrum Scan Error", f"\n  {line}{detail}\n  {line}\n") from error
        self._ids |= {"last_copy_id": query_id, "last_copy_count": count}
        done = f"Load into table '{command.table}' completed, {count} record(s) loaded successfully."
        self.client.write(notice(done) + message(b"C", b"COPY\0"))

    def _forward_simple(self, text: str) -> None:
        self.backend.send(b"Q", text.encode() + b"\0")
        failure: SqlError | None = None
        while True:
            answer, content = self.backend.receive()
            if answer == b"Z":
                break
            if answer == b"E":
                failure = SqlError.decoded(content)
            else:
                self._pass(answer, content)
        if self.backend.status != "T":
            self._locked.clear()
        if failure:
            raise failure

    def _control(self, plan: Plan) -> None:
        if plan.control:
            self.state.faults.add_json(plan.control)
        else:
            self.state.faults.clear()
        self.client.write(message(b"C", plan.tag.encode() + b"\0"))

    def _pass(self, kind: bytes, body: bytes) -> None:
        """Give PostgreSQL's answer to the client as Redshift would."""
        if kind == b"T":
            body = self._row_description(body)
        elif kind == b"C" and body.startswith(b"MERGE"):
            body = b"MERGE\0"
        elif kind in (b"S", b"N", b"A"):
            return  # parameters of PostgreSQL are none of the client's business
        self.client.write(message(kind, body))
        if self.client.pending_bytes > _MOST_PENDING_BYTES:
            self.client.flush()

    def _row_description(self, body: bytes) -> bytes:
        (count,) = struct.unpack_from("!h", body)
        out, offset = bytearray(body[:2]), 2
        for _ in range(count):
            end = body.index(b"\0", offset)
            name = self.state.names.real(body[offset:end].decode())
            table, column, oid, size, modifier, form = struct.unpack_from("!ihihih", body, end + 1)
            oid = _SUPER_OID if oid == self.state.super_oid else oid
            out += name.encode() + b"\0" + struct.pack("!ihihih", table, column, oid, size, modifier, form)
            offset = end + 19
        return bytes(out)
