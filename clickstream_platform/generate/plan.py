"""What an hour will hold, before any record is written: settings, the stream and kind of every line, exact counts.

Belongs here: the arithmetic that makes counts exact and hours independent of each other. Does not: the text of records
(`events`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from itertools import pairwise
from typing import get_args

import numpy as np
import numpy.typing as npt

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.generate.draws import Draws, Integers
from clickstream_platform.generate.profiles import ProfileName
from clickstream_platform.generate.sizes import Skew, share_of_hour, stream_sizes
from clickstream_platform.model.naming import is_slug

Kinds = npt.NDArray[np.uint8]  # of LineKind

MAX_STREAMS = 50_000
MAX_EVENTS_PER_HOUR = 50_000_000
BLOCK_RECORDS = 16_384  # about 20 MB of lines in memory at a time
_LIMITS = {
    "hours": (1, 100_000),
    "events_per_hour": (0, MAX_EVENTS_PER_HOUR),
    "streams": (1, MAX_STREAMS),
    "seed": (0, 2**63),
}
_MAX_SHARES = 0.9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LineKind(IntEnum):
    """What is particular about a line; every line has one kind, so shares add up."""

    PLAIN = 0
    DUPLICATE = 1
    MALFORMED = 2
    LATE = 3
    CONFLICT = 4
    NEW_PROPERTY = 5


@dataclass(frozen=True)
class GeneratorSettings:
    """What to generate: `hours` hours from `first_hour` (UTC), each with exactly `events_per_hour` lines.

    The lines include duplicates and malformed ones. Shares are of all lines. Raises ConfigurationError.
    """

    customer: str
    first_hour: datetime
    hours: int = 1
    events_per_hour: int = 10_000
    streams: int = 50
    seed: int = 1
    duplicate_share: float = 0.01
    late_share: float = 0.005
    malformed_share: float = 0.001
    conflict_share: float = 0.005
    new_property_share: float = 0.005
    profile: ProfileName = "ecommerce"
    skew: Skew = "zipf"

    def __post_init__(self) -> None:
        """Refuse what can't be generated."""
        cause = self._problem()
        if cause:
            raise ConfigurationError(
                "generating events", where=self.customer, cause=cause, remedy="See `clickstream generate --help`."
            )

    def hour_start(self, hour_index: int) -> datetime:
        """Return the start of the hour with this index."""
        return self.first_hour + timedelta(hours=hour_index)

    @property
    def shares(self) -> dict[LineKind, float]:
        """The share of every kind but the plain one, in the order in which they are dealt out."""
        return {
            LineKind.MALFORMED: self.malformed_share,
            LineKind.DUPLICATE: self.duplicate_share,
            LineKind.LATE: self.late_share,
            LineKind.CONFLICT: self.conflict_share,
            LineKind.NEW_PROPERTY: self.new_property_share,
        }

    def _problem(self) -> str:
        if not is_slug(self.customer):
            return "the customer is not a slug (lower-case letters, digits and '_')"
        start = self.first_hour
        if start.tzinfo is None or start.utcoffset() or start.replace(minute=0, second=0, microsecond=0) != start:
            return f"first_hour {start!r} is not a full UTC hour"
        for name, (low, high) in _LIMITS.items():
            if not low <= getattr(self, name) <= high:
                return f"{name} is {getattr(self, name)}, not between {low:,} and {high:,}"
        # Written so that NaN, which compares as false with everything, is refused as well.
        if not (min(self.shares.values()) >= 0 and sum(self.shares.values()) <= _MAX_SHARES):
            return f"the shares must not be negative and must sum to at most {_MAX_SHARES}"
        for name, allowed in (("profile", get_args(ProfileName)), ("skew", get_args(Skew))):
            if getattr(self, name) not in allowed:
                return f"{name} {getattr(self, name)!r} is none of {', '.join(allowed)}"
        return ""


@dataclass(frozen=True)
class HourPlan:
    """Every line of an hour by position: its stream, its kind, and a detail.

    The detail of a duplicate is the position of its original (earlier, in the same block, neither a duplicate nor
    malformed), that of any other line a random number. `blocks` are the bounds of blocks, first 0.
    """

    streams: Integers
    kinds: Kinds
    details: Integers
    blocks: tuple[int, ...]


def hour_number(moment: datetime) -> int:
    """Return the hours since 1970: the key of everything that belongs to an hour."""
    return (moment - _EPOCH) // timedelta(hours=1)


def plan_hour(settings: GeneratorSettings, hour_index: int) -> HourPlan:
    """Plan one hour, whatever was or wasn't planned before; takes about 0.2 µs per line."""
    total = settings.events_per_hour
    number = hour_number(settings.hour_start(hour_index))
    draws = Draws("plan", settings.seed, settings.customer, number)
    blocks = _block_bounds(total)
    kinds = np.zeros(total, dtype=np.uint8)
    details = draws.below(1 << 50, total)
    wanted = {kind: share_of_hour(total, number, share) for kind, share in settings.shares.items()}
    for start, end in pairwise(blocks):
        counts = {kind: count * end // total - count * start // total for kind, count in wanted.items()}
        _deal_kinds(kinds[start:end], counts, draws)
        _choose_originals(kinds[start:end], details[start:end], start)
    duplicates = np.flatnonzero(kinds == LineKind.DUPLICATE)
    singles = np.flatnonzero(kinds != LineKind.DUPLICATE)
    turn = int(draws.words(1)[0])
    sizes = stream_sizes(len(singles), settings.streams, skew=settings.skew, turn=turn)
    streams = np.empty(total, dtype=np.int64)
    streams[singles] = np.repeat(np.arange(settings.streams), sizes)[draws.order(len(singles))]
    streams[duplicates] = streams[details[duplicates]]
    return HourPlan(streams, kinds, details, blocks)


def _block_bounds(total: int) -> tuple[int, ...]:
    """Blocks of even size: a last block of one line could not hold a duplicate and its original."""
    blocks = -(-total // BLOCK_RECORDS)
    return tuple(total * block // blocks for block in range(blocks + 1)) if blocks else (0,)


def _deal_kinds(kinds: Kinds, counts: dict[LineKind, int], draws: Draws) -> None:
    # The first line of a block stays plain: a duplicate always finds an original before it.
    order = draws.order(len(kinds) - 1) + 1
    dealt = 0
    for kind, count in counts.items():
        kinds[order[dealt : dealt + count]] = kind
        dealt += count


def _choose_originals(kinds: Kinds, details: Integers, start: int) -> None:
    duplicates = np.flatnonzero(kinds == LineKind.DUPLICATE)
    originals = np.flatnonzero((kinds != LineKind.DUPLICATE) & (kinds != LineKind.MALFORMED))
    before = np.searchsorted(originals, duplicates)
    details[duplicates] = start + originals[details[duplicates] % before]
