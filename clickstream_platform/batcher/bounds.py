"""When a batch ends and when an object in it does: the three bounds, bytes, records and age. Pure.

Belongs here: the bounds, and the plan that fixes a batch before any of it is written. Does not: records or time.

A batch is everything of one shard between two checkpoints. Its end depends on the clock (age), so it is recorded in the
lease before the first object is written; whoever repeats the batch reads the plan and makes the same objects.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class BatchBounds:
    """A batch ends at the first of: bytes of its lines, records, seconds since its first record was read, objects.

    Objects cost memory however small they are: without a bound, a flood of event names would take all of it.
    """

    max_bytes: int = 512 * MEGABYTE
    max_records: int = 2_000_000
    max_age_seconds: float = 300.0
    max_objects: int = 20_000

    def is_due(self, size_bytes: int, records: int, age_seconds: float, objects: int = 0) -> bool:
        """Return whether a batch that holds so much ends now; an empty one never does."""
        is_large = size_bytes >= self.max_bytes or records >= self.max_records or objects >= self.max_objects
        return records > 0 and (is_large or age_seconds >= self.max_age_seconds)


@dataclass(frozen=True, slots=True)
class ObjectBounds:
    """An object of a stream-hour is complete at the first of: bytes of its lines, records. Its age is the batch's."""

    max_bytes: int = 64 * MEGABYTE
    max_records: int = 250_000

    def is_full(self, size_bytes: int, records: int) -> bool:
        """Return whether the object that holds so much is complete."""
        return size_bytes >= self.max_bytes or records >= self.max_records


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What decides the content of a batch, together with the records behind the checkpoint: fixed before writing.

    `end` is the sequence number of the batch's last Kinesis record, `window_seconds` that of de-duplication.
    """

    end: int
    object_bytes: int
    object_records: int
    window_seconds: int

    @property
    def object_bounds(self) -> ObjectBounds:
        """The bounds of the batch's objects."""
        return ObjectBounds(self.object_bytes, self.object_records)

    def to_json(self) -> str:
        """Return the form that the lease keeps."""
        return json.dumps({**asdict(self), "end": str(self.end)})

    @classmethod
    def from_json(cls, text: str) -> BatchPlan:
        """Read the form that the lease keeps."""
        body = json.loads(text)
        return cls(**{**body, "end": int(body["end"])})
