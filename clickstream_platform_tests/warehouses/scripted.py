"""A connection that answers from a script: for what a server does rarely, such as losing a connection or refusing.

Belongs here: recording what is sent and answering as told. Does not: expectations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redshift_connector.error import ProgrammingError

Answer = Exception | Sequence[Sequence[Any]] | int


def refusal(code: str, message: str, detail: str = "") -> ProgrammingError:
    """Return a server's error as the driver raises it."""
    return ProgrammingError({"S": "ERROR", "C": code, "M": message, "D": detail})


@dataclass
class ScriptedConnection:
    """Answers the first rule whose pattern is found in a statement: rows, a row count or an error; else nothing.

    A rule with several answers gives them in turn and stays with the last.
    """

    rules: list[tuple[str, list[Answer]]] = field(default_factory=list)
    sent: list[tuple[str, list[Any]]] = field(default_factory=list)
    closed: int = 0
    autocommit: bool = True

    def answer(self, pattern: str, *answers: Answer) -> ScriptedConnection:
        """Add a rule."""
        self.rules.append((pattern, list(answers)))
        return self

    def cursor(self) -> _Cursor:
        """Return a cursor as the driver does."""
        return _Cursor(self._answer)

    def close(self) -> None:
        """Count that it was closed."""
        self.closed += 1

    @property
    def texts(self) -> list[str]:
        """The statements sent so far."""
        return [text for text, _ in self.sent]

    def _answer(self, text: str, params: list[Any]) -> Answer:
        self.sent.append((text, params))
        for pattern, answers in self.rules:
            if re.search(pattern, text):
                return answers.pop(0) if len(answers) > 1 else answers[0]
        return 0


@dataclass
class _Cursor:
    take: Callable[[str, list[Any]], Answer]
    paramstyle: str = "format"
    rowcount: int = -1
    rows: Sequence[Sequence[Any]] = ()

    def execute(self, text: str, params: list[Any] | None = None) -> None:
        assert self.paramstyle == "qmark" or not params
        answer = self.take(text, params or [])
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            self.rowcount = answer
        else:
            self.rows = answer

    def fetchall(self) -> Sequence[Sequence[Any]]:
        return self.rows
