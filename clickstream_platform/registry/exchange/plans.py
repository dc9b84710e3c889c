"""What a plan is: an ordered list of changes, and what is left alone.

Belongs here: the nouns and their plain form. Does not: making a plan (`planning`), carrying it out (`applying`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["destination", "customer", "event", "contract", "write_key"]
Action = Literal["add", "change", "restore", "activate", "resume", "pause", "remove", "put_in_force", "revoke"]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a change."""

    name: str
    """Such as `policy.column_limit`."""
    before: Any = field(hash=False)
    """None where the thing is new."""
    after: Any = field(hash=False)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as the document says."""

    action: Action
    kind: Kind
    customer: str | None
    """None for a destination."""
    name: str
    """Slug of the customer or event, name of the destination, id of the write key, `<event>` of a contract."""
    fields: tuple[FieldChange, ...] = ()

    def after(self) -> Mapping[str, Any]:
        """Return the fields as they are to be."""
        return {each.name: each.after for each in self.fields}


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes a registry what a document says."""

    changes: tuple[Change, ...]
    """In the order they are made."""
    left_alone: tuple[tuple[Kind, str | None, str], ...]
    """Kind, customer and name of what the registry has and the document does not name."""
    version: int
    """Number of the registry's state that the plan is for."""


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return the plan in JSON types, without the hashes of write keys: plans end in the logs of deployments."""
    return {
        "version": plan.version,
        "changes": [
            {
                "action": change.action,
                "kind": change.kind,
                "customer": change.customer,
                "name": change.name,
                "fields": [
                    {"field": each.name, "before": each.before, "after": each.after}
                    for each in change.fields
                    if each.name != "hash"
                ],
            }
            for change in plan.changes
        ],
        "left_alone": [{"kind": kind, "customer": customer, "name": name} for kind, customer, name in plan.left_alone],
    }
