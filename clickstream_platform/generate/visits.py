"""Who sent each record of a block, when, and from where: the columns that don't depend on the event.

Belongs here: ids, times and the choices that must fit together in a record. Does not: properties (`business_shapes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from clickstream_platform.generate.contexts import DEVICES, PAGES
from clickstream_platform.generate.draws import Draws, Integers, Texts, scrambled, uuid_texts
from clickstream_platform.generate.plan import GeneratorSettings, Kinds, LineKind
from clickstream_platform.generate.pools import Link, Shared

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_MAX_LATE_HOURS = 71  # a phone that was off line over a long weekend
_EVENTS_PER_VISITOR = 12


@dataclass(frozen=True)
class Visits:
    """Columns of a block: `texts` by shared value (UTF-8), `choices` by the link of the pools they choose from."""

    texts: Mapping[Shared, Texts]
    choices: Mapping[Link, Integers]


def draw_visits(settings: GeneratorSettings, hour_number: int, start: int, kinds: Kinds, draws: Draws) -> Visits:
    """Draw visitors, devices, pages and times of the lines at the positions from `start`, in order of arrival."""
    count = len(kinds)
    salt = int(Draws("visitors", settings.seed, settings.customer).words(1)[0])
    visitors = draws.mostly_small(max(40, settings.events_per_hour // _EVENTS_PER_VISITOR), count)
    user_ids = _user_ids(scrambled(visitors, salt + 2))
    is_anonymous = scrambled(visitors, salt + 3) % np.uint64(5) < 3
    texts = {
        Shared.MESSAGE_ID: uuid_texts(draws.words(count), draws.words(count)),
        Shared.ANONYMOUS_ID: uuid_texts(scrambled(visitors, salt), scrambled(visitors, salt + 1)),
        Shared.KNOWN_USER_ID: user_ids,
        Shared.USER_ID: np.where(is_anonymous, np.bytes_(b"null"), user_ids),
        **_times(settings.events_per_hour, hour_number, start, kinds, draws),
    }
    devices = (scrambled(visitors, salt + 4) % np.uint64(DEVICES)).astype(np.int64)
    return Visits(texts, {"device": devices, "page": draws.mostly_small(PAGES, count)})


def _times(total: int, hour_number: int, start: int, kinds: Kinds, draws: Draws) -> dict[Shared, Texts]:
    """Each line arrives in its own slice of the hour, so arrival times ascend; only late ones are older than it."""
    count = len(kinds)
    hour_start = hour_number * _HOUR_MS
    positions = np.arange(start, start + count, dtype=np.int64)
    received = hour_start + (positions * _HOUR_MS + draws.below(_HOUR_MS, count)) // total
    sent = received - 120 - draws.mostly_small(2_500, count)
    happened = np.maximum(received - 150 - draws.mostly_small(30_000, count), hour_start)
    late = received - _HOUR_MS - draws.mostly_small(_MAX_LATE_HOURS * _HOUR_MS, count)
    happened = np.where(kinds == LineKind.LATE, late, happened)
    return {
        Shared.RECEIVED_AT: time_texts(received),
        Shared.SENT_AT: time_texts(sent),
        Shared.TIMESTAMP: time_texts(happened),
        # Segment corrects the device's clock: timestamp = receivedAt - (sentAt - originalTimestamp).
        Shared.ORIGINAL_TIMESTAMP: time_texts(happened - received + sent),
    }


def time_texts(milliseconds: Integers) -> Texts:
    """Write times in milliseconds since 1970 as `2026-11-22T09:00:00.000Z`."""
    minutes, rest = np.divmod(milliseconds, _MINUTE_MS)
    texts = np.empty((len(milliseconds), 24), dtype=np.uint8)
    if len(milliseconds):
        first = int(minutes.min())
        written = np.arange(first, int(minutes.max()) + 1).astype("datetime64[m]").astype("S16")
        texts[:, :16] = written.view(np.uint8).reshape(-1, 16)[minutes - first]
    texts[:, 16:] = _seconds()[rest]
    return texts.view("S24").reshape(-1)


@cache
def _seconds() -> npt.NDArray[np.uint8]:
    """The end of every time of a minute: `:00.000Z` to `:59.999Z`, a row of characters each."""
    text = b"".join(b":%02d.%03dZ" % divmod(number, 1000) for number in range(_MINUTE_MS))
    return np.frombuffer(text, dtype=np.uint8).reshape(-1, 8)


def _user_ids(bits: npt.NDArray[np.uint64]) -> Texts:
    numbers = (bits % np.uint64(10**8)).astype(np.int64)
    texts = np.empty((len(numbers), 14), dtype=np.uint8)
    texts[:] = np.frombuffer(b'"usr_00000000"', dtype=np.uint8)
    for place in range(8):
        texts[:, 12 - place] += (numbers // 10**place % 10).astype(np.uint8)
    return texts.view("S14").reshape(-1)
