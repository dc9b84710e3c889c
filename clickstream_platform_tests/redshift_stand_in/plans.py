"""What the stand-in will do for one statement.

Belongs here: the value that translation gives and execution takes. Does not: either of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CopyCommand:
    """A COPY as it was written; names are PostgreSQL's inner ones, `target` is quoted SQL."""

    target: str
    table: str
    columns: tuple[str, ...]
    url: str
    role: str = ""
    credentials: tuple[str, str, str] | None = None
    is_manifest: bool = False
    serialize_to_json: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One statement.

    With `steps`, these run as simple queries instead of the text, with one tag for all. `locks` are tables that are
    locked against other writers before the statement when a transaction is open, as Redshift does it.
    """

    kind: str
    text: str = ""
    steps: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    tag: str = ""
    copy: CopyCommand | None = None
    control: str = ""
    login: tuple[str, str | None] | None = None  # a user who may log in with this password, or no more
    not_in_transaction: str = ""
    ends_transaction: bool = False
    reads: frozenset[str] = field(default_factory=frozenset)
