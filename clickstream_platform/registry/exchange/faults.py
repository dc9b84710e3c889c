"""What is wrong with a document, all of it at once.

Belongs here: one fault, and the error that carries them. Does not: finding them (`nodes`, `fields`, `layout`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from clickstream_platform.registry.refusals import InvalidRequestError

_FAULTS_IN_MESSAGE = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong."""

    line: int | None
    """From 1; None for a document that was never text."""
    path: str
    """Such as `customers.acme.policy.column_limit`; empty for the document as a whole."""
    problem: str

    def __str__(self) -> str:
        parts = (f"line {self.line}" if self.line is not None else "", self.path, self.problem)
        return ": ".join(part for part in parts if part)


class DocumentError(InvalidRequestError):
    """The document cannot be taken as it is; `faults` has everything that is wrong with it."""

    def __init__(self, faults: Collection[Fault]) -> None:
        """Compose the message from the first faults, in the order of their lines."""
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line or 0))
        shown = [str(fault) for fault in self.faults[:_FAULTS_IN_MESSAGE]]
        if len(self.faults) > len(shown):
            shown.append(f"and {len(self.faults) - len(shown)} more")
        super().__init__(
            "reading the registry's document", cause="; ".join(shown), remedy="Correct it; nothing was changed."
        )
