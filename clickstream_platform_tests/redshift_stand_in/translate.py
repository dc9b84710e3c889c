"""From one statement of Redshift to what the stand-in does for it; what it doesn't know is refused by name.

Belongs here: recognising statements, and the short ones. Does not: CREATE TABLE (`ddl`), ALTER TABLE (`alter`), COPY
(`copy_command`), the inside of queries (`query`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clickstream_platform_tests.redshift_stand_in.alter import AlterTable
from clickstream_platform_tests.redshift_stand_in.copy_command import parse_copy
from clickstream_platform_tests.redshift_stand_in.ddl import create_table
from clickstream_platform_tests.redshift_stand_in.functions import SESSION_FUNCTIONS
from clickstream_platform_tests.redshift_stand_in.lexer import (
    Cursor,
    Token,
    split_statements,
    text_of,
    tokenize,
)
from clickstream_platform_tests.redshift_stand_in.names import LongNames
from clickstream_platform_tests.redshift_stand_in.plans import Plan
from clickstream_platform_tests.redshift_stand_in.query import QueryWriter, unsupported
from clickstream_platform_tests.redshift_stand_in.rights import (
    change_group,
    change_rights,
    create_principal,
    drop_principal,
)
from clickstream_platform_tests.redshift_stand_in.settings import set_plan, show_plan
from clickstream_platform_tests.redshift_stand_in.wire import SqlError

MAX_STATEMENT_BYTES = 16 * 1024 * 1024
_DYNAMIC = SESSION_FUNCTIONS | {"sys_query_history"}


class Translator:
    """Translates statements; keeps the plans of the last ones."""

    def __init__(self, names: LongNames) -> None:
        """Use these names for long identifiers."""
        self._names = names
        self._plans: dict[str, list[Plan]] = {}

    def plans(self, sql: str) -> list[Plan]:
        """Return a plan per statement of the text; raise SqlError for a text that Redshift wouldn't take."""
        if sql not in self._plans:
            if len(sql.encode()) > MAX_STATEMENT_BYTES:
                raise SqlError("54000", "Statement is too large. The maximum size is 16777216 bytes")
            plans = [self._plan(statement) for statement in split_statements(tokenize(sql))]
            if len(self._plans) > 2000:
                self._plans.clear()
            self._plans[sql] = plans
        return self._plans[sql]

    def _plan(self, tokens: list[Token]) -> Plan:
        handlers: dict[str, Callable[[Cursor], Plan]] = {
            "select": self._query,
            "with": self._query,
            "(": self._query,
            "insert": self._insert,
            "update": self._update,
            "delete": self._delete,
            "merge": self._merge,
            "explain": self._explain,
            "copy": lambda cursor: parse_copy(cursor, self._names),
            "create": self._create,
            "alter": self._alter,
            "drop": self._drop,
            "truncate": self._truncate,
            "lock": self._lock,
            "begin": _begin,
            "start": _begin,
            "commit": _end("COMMIT"),
            "end": _end("COMMIT"),
            "rollback": _end("ROLLBACK"),
            "abort": _end("ROLLBACK"),
            "analyze": self._analyze,
            "vacuum": self._vacuum,
            "grant": lambda cursor: change_rights(cursor, self._names),
            "revoke": lambda cursor: change_rights(cursor, self._names),
            "set": set_plan,
            "reset": set_plan,
            "show": show_plan,
        }
        cursor = Cursor(tokens)
        word = cursor.next().word
        if word not in handlers:
            raise unsupported(f"the statement {word.upper() or tokens[0].text}", tokens)
        return handlers[word](cursor)

    def _write(self, tokens: Sequence[Token], *, is_insert: bool = False) -> str:
        return text_of(QueryWriter(tokens, self._names, is_insert=is_insert).written())

    def _query(self, cursor: Cursor) -> Plan:
        words = {token.word for token in cursor.tokens}
        if words & {"into"}:
            raise unsupported("SELECT INTO", cursor.tokens)
        return Plan("SELECT", self._write(cursor.tokens), reads=frozenset(words & _DYNAMIC))

    def _target(self, cursor: Cursor) -> str:
        return text_of(self._names.token(token) for token in cursor.qualified_name())

    def _insert(self, cursor: Cursor) -> Plan:
        cursor.expect("into")
        target = self._target(cursor)
        return Plan("INSERT", self._write(cursor.tokens, is_insert=True), locks=(target,))

    def _update(self, cursor: Cursor) -> Plan:
        return Plan("UPDATE", self._write(cursor.tokens), locks=(self._target(cursor),))

    def _delete(self, cursor: Cursor) -> Plan:
        cursor.accept("from")
        start = cursor.position
        target = self._target(cursor)
        if not cursor.is_done and cursor.peek().word not in ("using", "where"):
            raise unsupported("an alias of DELETE's table", cursor.tokens)
        text = self._write([Token("word", "DELETE"), Token("word", "FROM", " "), *_spaced(cursor.tokens[start:])])
        return Plan("DELETE", text, locks=(target,))

    def _merge(self, cursor: Cursor) -> Plan:
        cursor.expect("into")
        target = self._target(cursor)
        words = [token.word for token in cursor.tokens]
        clauses = [words[index + 1 : index + 3] for index, word in enumerate(words) if word == "when"]
        if sorted(clause[0] for clause in clauses) != ["matched", "not"]:
            raise unsupported("MERGE without exactly one MATCHED and one NOT MATCHED clause", cursor.tokens)
        if any(clause[:2] == ["matched", "and"] for clause in clauses) or words[-2:] == ["do", "nothing"]:
            raise unsupported("this form of MERGE", cursor.tokens)
        return Plan("MERGE", self._write(cursor.tokens, is_insert=True), locks=(target,))

    def _explain(self, cursor: Cursor) -> Plan:
        verbose = cursor.accept("verbose")
        inner = self._plan(cursor.rest())
        if not inner.text or inner.locks:
            raise unsupported("EXPLAIN of anything but a query", cursor.tokens)
        return Plan("EXPLAIN", f"EXPLAIN {'VERBOSE ' if verbose else ''}{inner.text}")

    def _create(self, cursor: Cursor) -> Plan:
        cursor.accept("local")
        if cursor.accept("temp") or cursor.accept("temporary") or cursor.peek().word == "table":
            cursor.expect("table")
            return create_table(cursor, self._names)
        if cursor.accept("schema"):
            exists = cursor.accept("if", "not", "exists")
            name = self._target(cursor)
            owner = f" AUTHORIZATION {self._target(cursor)}" if cursor.accept("authorization") else ""
            if not cursor.is_done:
                raise unsupported("this form of CREATE SCHEMA", cursor.tokens)
            text = f"CREATE SCHEMA {'IF NOT EXISTS ' if exists else ''}{name}{owner}"
            return Plan("CREATE SCHEMA", steps=(text,), tag="CREATE SCHEMA")
        if cursor.peek().word in ("user", "group", "role"):
            return create_principal(cursor, self._names)
        replace = " OR REPLACE" if cursor.accept("or", "replace") else ""
        if cursor.accept("view"):
            if [token.word for token in cursor.tokens[-4:]] == ["with", "no", "schema", "binding"]:
                raise unsupported("a late-binding view", cursor.tokens)
            text = f"CREATE{replace} VIEW {self._write(cursor.rest())}"
            return Plan("CREATE VIEW", steps=(text,), tag="CREATE VIEW")
        raise unsupported(f"CREATE {cursor.peek().word.upper()}", cursor.tokens)

    def _alter(self, cursor: Cursor) -> Plan:
        if cursor.accept("table"):
            return AlterTable(cursor, self._names).plan()
        if cursor.accept("group"):
            return change_group(cursor, self._names)
        if cursor.accept("default", "privileges"):
            return change_rights(cursor, self._names)
        raise unsupported(f"ALTER {cursor.peek().word.upper()}", cursor.tokens)

    def _drop(self, cursor: Cursor) -> Plan:
        if cursor.peek().word in ("user", "group", "role"):
            return drop_principal(cursor, self._names)
        kind = cursor.next().word.upper()
        if kind not in ("TABLE", "VIEW", "SCHEMA"):
            raise unsupported(f"DROP {kind}", cursor.tokens)
        exists = "IF EXISTS " if cursor.accept("if", "exists") else ""
        names = [self._target(cursor)]
        while cursor.accept(","):
            names.append(self._target(cursor))
        cascade = " CASCADE" if cursor.accept("cascade") else ""
        cursor.accept("restrict")
        if not cursor.is_done:
            cursor.fail("the end")
        return Plan(f"DROP {kind}", steps=(f"DROP {kind} {exists}{', '.join(names)}{cascade}",), tag=f"DROP {kind}")

    def _truncate(self, cursor: Cursor) -> Plan:
        cursor.accept("table")
        target = self._target(cursor)
        if not cursor.is_done:
            cursor.fail("the end")
        # Redshift's TRUNCATE commits the transaction that it is in.
        return Plan("TRUNCATE", steps=(f"TRUNCATE TABLE {target}",), tag="TRUNCATE TABLE", ends_transaction=True)

    def _lock(self, cursor: Cursor) -> Plan:
        cursor.accept("table")
        names = [self._target(cursor)]
        while cursor.accept(","):
            names.append(self._target(cursor))
        if not cursor.is_done:
            raise unsupported("a mode in LOCK", cursor.tokens)
        return Plan("LOCK", f"LOCK TABLE {', '.join(names)}")

    def _analyze(self, cursor: Cursor) -> Plan:
        verbose = " VERBOSE" if cursor.accept("verbose") else ""
        if cursor.peek().word == "compression":
            raise unsupported("ANALYZE COMPRESSION", cursor.tokens)
        target = f" {self._target(cursor)}" if cursor.peek().is_name and cursor.peek(1).word != "columns" else ""
        if cursor.peek().word == "(":
            target += f" ({text_of(self._names.token(t) for t in cursor.parenthesised())})"
        if cursor.accept("predicate") or cursor.accept("all"):
            cursor.expect("columns")
        if not cursor.is_done:
            cursor.fail("the end")
        return Plan("ANALYZE", f"ANALYZE{verbose}{target}")

    def _vacuum(self, cursor: Cursor) -> Plan:
        for words in (("full",), ("sort", "only"), ("delete", "only"), ("reindex",), ("recluster",)):
            if cursor.accept(*words):
                break
        target = f" {self._target(cursor)}" if cursor.peek().is_name and cursor.peek().word != "boost" else ""
        if cursor.accept("to"):
            cursor.next()
            cursor.expect("percent")
        cursor.accept("boost")
        if not cursor.is_done:
            cursor.fail("the end")
        return Plan("VACUUM", f"VACUUM{target}", not_in_transaction="VACUUM")


def _begin(cursor: Cursor) -> Plan:
    words = [token.word for token in cursor.rest() if token.word not in ("transaction", "work", ",")]
    mode, text = " ".join(words), "BEGIN ISOLATION LEVEL SERIALIZABLE"
    for access in ("read only", "read write"):
        if mode.endswith(access):
            mode, text = mode[: -len(access)].strip(), f"{text} {access.upper()}"
    # Redshift takes the other levels too and gives serializable isolation.
    levels = ("serializable", "read committed", "read uncommitted", "repeatable read")
    if mode not in ("", *(f"isolation level {level}" for level in levels)):
        raise unsupported(f"BEGIN {mode.upper()}", cursor.tokens)
    return Plan("BEGIN", text)


def _end(kind: str) -> Callable[[Cursor], Plan]:
    def plan(cursor: Cursor) -> Plan:
        cursor.accept("work")
        cursor.accept("transaction")
        if not cursor.is_done:
            raise unsupported("savepoints and chained transactions", cursor.tokens)
        return Plan(kind, kind)

    return plan


def _spaced(tokens: Sequence[Token]) -> list[Token]:
    first = tokens[0]
    return [Token(first.kind, first.text, " "), *tokens[1:]]
