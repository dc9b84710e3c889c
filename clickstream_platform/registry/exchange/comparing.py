"""What comparing two documents has in common for all kinds of things.

Belongs here: equality of values, and what a comparison gathers. Does not: any kind of thing (`planning`,
`planning_events`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clickstream_platform.registry.exchange.faults import Fault
from clickstream_platform.registry.exchange.plans import FieldChange, Kind


@dataclass(slots=True)
class Comparison:
    """What is found on the way."""

    prune: bool
    """Whether what the document does not name goes."""
    faults: list[Fault] = field(default_factory=list)
    left_alone: list[tuple[Kind, str | None, str]] = field(default_factory=list)

    def fault(self, path: tuple[str, ...], problem: str) -> None:
        """Note something that the document wants and this registry cannot become."""
        self.faults.append(Fault(None, ".".join(path), problem))


def changed_fields(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """Return those fields of `after` that differ; all of them where there was nothing before."""
    if before is None:
        return tuple(FieldChange(name, None, value) for name, value in after.items())
    return tuple(
        FieldChange(name, before[name], value) for name, value in after.items() if not is_same(before[name], value)
    )


def is_same(one: object, other: object) -> bool:
    """Whether two values are the same in JSON: 1 and 1.0 and true are not, the order of fields does not count."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
