"""ALTER TABLE by Redshift's rules: one column per statement, VARCHAR widening and APPEND outside transactions.

Belongs here: every form of ALTER TABLE that the stand-in knows. Does not: definitions of columns (`ddl`).
"""

from __future__ import annotations

from collections.abc import Callable

from clickstream_platform_tests.redshift_stand_in.column_types import column_type, encoding
from clickstream_platform_tests.redshift_stand_in.ddl import Definitions
from clickstream_platform_tests.redshift_stand_in.lexer import Cursor, Token, literal, split_commas, text_of
from clickstream_platform_tests.redshift_stand_in.names import LongNames
from clickstream_platform_tests.redshift_stand_in.plans import Plan
from clickstream_platform_tests.redshift_stand_in.query import unsupported
from clickstream_platform_tests.redshift_stand_in.wire import SqlError


class AlterTable:
    """Translates one ALTER TABLE; the words up to TABLE are taken."""

    def __init__(self, cursor: Cursor, names: LongNames) -> None:
        """Take the table's name."""
        self._cursor = cursor
        self._names = names
        if cursor.accept("if"):
            raise unsupported("IF EXISTS in ALTER TABLE", cursor.tokens)
        self._table = self._qualified()

    def plan(self) -> Plan:
        """Translate the action that follows; raise SqlError for one that isn't known."""
        actions: dict[str, Callable[[], Plan]] = {
            "add": self._add,
            "drop": self._drop,
            "rename": self._rename,
            "alter": self._alter,
            "append": self._append,
            "owner": self._owner,
        }
        if len(split_commas(self._cursor.tokens)) > 1:
            raise SqlError("0A000", "ALTER TABLE takes one action at a time", self._statement)
        word = self._cursor.next().word
        if word not in actions:
            raise unsupported(f"ALTER TABLE … {word.upper()}", self._cursor.tokens)
        plan = actions[word]()
        if not self._cursor.is_done:
            self._cursor.fail("the end")
        return plan

    @property
    def _statement(self) -> str:
        return f"Statement: {text_of(self._cursor.tokens)[:300]}"

    def _steps(self, *steps: str, outside: str = "") -> Plan:
        return Plan("ALTER TABLE", steps=steps, tag="ALTER TABLE", not_in_transaction=outside)

    def _qualified(self) -> str:
        return text_of(self._names.token(token) for token in self._cursor.qualified_name())

    def _column(self) -> tuple[str, str]:
        """Take a column and return it as SQL and as its inner name."""
        token: Token = self._cursor.name()
        return text_of([self._names.token(token)]), self._names.inner(token.name)

    def _add(self) -> Plan:
        if self._cursor.peek().word in ("constraint", "primary", "unique", "foreign"):
            self._cursor.rest()  # Redshift keeps constraints for its planner only
            return self._steps(f"SELECT {literal(self._table)}::regclass")
        self._cursor.accept("column")
        if self._cursor.peek().word == "if":
            raise unsupported("IF NOT EXISTS in ADD COLUMN", self._cursor.tokens)
        column = Definitions(self._names).column(self._cursor.rest(), in_alter=True)
        if column.is_not_null and not column.has_default:
            raise SqlError(
                "0A000", "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression"
            )
        return self._steps(f"ALTER TABLE {self._table} ADD COLUMN {column.text}")

    def _drop(self) -> Plan:
        if self._cursor.accept("constraint"):
            self._cursor.rest()
            return self._steps(f"SELECT {literal(self._table)}::regclass")
        self._cursor.accept("column")
        if self._cursor.peek().word == "if":
            raise unsupported("IF EXISTS in DROP COLUMN", self._cursor.tokens)
        column, name = self._column()
        cascade = " CASCADE" if self._cursor.accept("cascade") else ""
        self._cursor.accept("restrict")
        return self._steps(
            f"SELECT stand_in.refuse_key_column({literal(self._table)}, {literal(name)})",
            f"ALTER TABLE {self._table} DROP COLUMN {column}{cascade}",
        )

    def _rename(self) -> Plan:
        if self._cursor.accept("to"):
            name, _ = self._column()
            return self._steps(f"ALTER TABLE {self._table} RENAME TO {name}")
        self._cursor.accept("column")
        old, old_name = self._column()
        self._cursor.expect("to")
        new, new_name = self._column()
        return self._steps(
            f"ALTER TABLE {self._table} RENAME COLUMN {old} TO {new}",
            f"SELECT stand_in.rename_in_design({literal(self._table)}, {literal(old_name)}, {literal(new_name)})",
        )

    def _alter(self) -> Plan:
        if self._cursor.peek().word in ("distkey", "diststyle", "sortkey", "compound", "encode"):
            raise unsupported("a change of distribution, sort key or all encodings", self._cursor.tokens)
        self._cursor.expect("column")
        column, name = self._column()
        if self._cursor.accept("encode"):
            encoding(self._cursor)
            return self._steps(f"SELECT stand_in.column_length({literal(self._table)}, {literal(name)})")
        self._cursor.expect("type")
        new_type = column_type(self._cursor)
        if not new_type.startswith("varchar("):
            raise SqlError("0A000", "ALTER COLUMN TYPE changes the size of VARCHAR columns only", self._statement)
        length = int(new_type[8:-1])
        return self._steps(
            f"SELECT stand_in.check_widening({literal(self._table)}, {literal(name)}, {length})",
            f"ALTER TABLE {self._table} ALTER COLUMN {column} TYPE {new_type}",
            outside="ALTER TABLE ALTER COLUMN",
        )

    def _append(self) -> Plan:
        self._cursor.expect("from")
        source = self._qualified()
        mode = "ignoreextra" if self._cursor.accept("ignoreextra") else ""
        mode = "filltarget" if self._cursor.accept("filltarget") else mode
        return self._steps(
            f"SELECT stand_in.append_table({literal(self._table)}, {literal(source)}, {literal(mode)})",
            outside="ALTER TABLE APPEND",
        )

    def _owner(self) -> Plan:
        self._cursor.expect("to")
        owner, _ = self._column()
        return self._steps(f"ALTER TABLE {self._table} OWNER TO {owner}")
