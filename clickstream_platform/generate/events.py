"""The stream of records: fills the templates of a profile as an hour's plan says, in order of arrival.

Belongs here: joining pieces to lines. Does not: what pieces there are (`profiles`, `pools`), who and when (`visits`),
how many (`plan`). The same settings give the same bytes on every platform, whichever hours were generated before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import Literal, NamedTuple

import numpy as np

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.generate.damage import damage_of, with_conflict, with_new_property
from clickstream_platform.generate.draws import Draws, Integers
from clickstream_platform.generate.plan import GeneratorSettings, HourPlan, LineKind, hour_number, plan_hour
from clickstream_platform.generate.pools import Part, Pool, Shared, to_json
from clickstream_platform.generate.profiles import EventProfile, Template, catalogue, template
from clickstream_platform.generate.visits import Visits, draw_visits
from clickstream_platform.model.records import RejectReason

_ARRIVAL_BYTES = len('2026-11-22T09:00:00.000Z","receivedAt":"2026-11-22T09:00:00.000Z"}')


class GeneratedLine(NamedTuple):
    """One line without its line feed: the stream it belongs to, and what a loader must make of it.

    `event_name` is the event as sent for `track`, else the name of the type's table. `reason` says for a malformed line
    why it must be rejected.
    """

    event_name: str
    record_type: str
    line: bytes
    kind: Literal["good", "duplicate", "malformed"]
    reason: RejectReason | None = None


@dataclass(frozen=True)
class _Block:
    """What all lines of a block need: their bounds and kinds, who sent them, and where randomness comes from."""

    streams: Integers
    kinds: Sequence[int]
    details: Sequence[int]
    visits: Visits
    draws: Draws
    hour_number: int


class _Catalogue:
    """The streams of the settings with their templates, indexed by stream number."""

    def __init__(self, settings: GeneratorSettings) -> None:
        self.streams: tuple[EventProfile, ...] = catalogue(settings.profile, settings.streams)
        looks = list(dict.fromkeys((stream.record_type, stream.shape) for stream in self.streams))
        self.templates = [template(settings.profile, record_type, shape) for record_type, shape in looks]
        numbers = {look: number for number, look in enumerate(looks)}
        self.template_numbers = np.array([numbers[stream.record_type, stream.shape] for stream in self.streams])
        names = [to_json(stream.event_name) for stream in self.streams]
        self.event_names = np.fromiter(names, dtype=np.object_, count=len(names))


def generate_hour(settings: GeneratorSettings, hour_index: int) -> Iterator[GeneratedLine]:
    """Yield every line of one hour in order of arrival; raise ConfigurationError for an hour outside the settings."""
    streams = catalogue(settings.profile, settings.streams)
    plan = plan_hour(settings, hour_index)
    for (start, end), lines in zip(pairwise(plan.blocks), _blocks(settings, hour_index, plan), strict=True):
        numbers, kinds, details = (part[start:end].tolist() for part in (plan.streams, plan.kinds, plan.details))
        for number, kind, detail, line in zip(numbers, kinds, details, lines, strict=True):
            stream = streams[number]
            if kind == LineKind.MALFORMED:
                reason = damage_of(stream.record_type, detail).reason
                yield GeneratedLine(stream.event_name, stream.record_type, line, "malformed", reason)
            else:
                yield GeneratedLine(
                    stream.event_name, stream.record_type, line, "duplicate" if kind == LineKind.DUPLICATE else "good"
                )


def generate_blocks(settings: GeneratorSettings, hour_index: int) -> Iterator[list[bytes]]:
    """Yield the same lines as `generate_hour`, some thousands at a time: the quickest way to write them."""
    return _blocks(settings, hour_index, plan_hour(settings, hour_index))


def _blocks(settings: GeneratorSettings, hour_index: int, plan: HourPlan) -> Iterator[list[bytes]]:
    if not 0 <= hour_index < settings.hours:
        raise ConfigurationError(
            "generating events",
            where=settings.customer,
            cause=f"there is no hour {hour_index} in {settings.hours} hours",
            remedy="Use an hour index from 0, or raise the number of hours.",
        )
    known = _Catalogue(settings)
    number = hour_number(settings.hour_start(hour_index))
    for start, end in pairwise(plan.blocks):
        draws = Draws("records", settings.seed, settings.customer, number, start)
        kinds = plan.kinds[start:end]
        visits = draw_visits(settings, number, start, kinds, draws)
        streams, details = plan.streams[start:end], plan.details[start:end].tolist()
        yield _lines(known, _Block(streams, kinds.tolist(), details, visits, draws, number), start)


def _lines(known: _Catalogue, block: _Block, start: int) -> list[bytes]:
    lines = [b""] * len(block.kinds)
    template_numbers = known.template_numbers[block.streams]
    is_original = np.array(block.kinds) != LineKind.DUPLICATE
    for number, look in enumerate(known.templates):
        positions = np.flatnonzero((template_numbers == number) & is_original)
        if len(positions):
            for position, line in zip(positions.tolist(), _fill(look, known, block, positions), strict=True):
                lines[position] = line
    for position, kind in enumerate(block.kinds):
        if kind != LineKind.PLAIN and kind != LineKind.LATE:
            look = known.templates[template_numbers[position]]
            record_type = known.streams[block.streams[position]].record_type
            lines[position] = _altered(lines, position, look, record_type, block, start)
    return lines


def _fill(look: Template, known: _Catalogue, block: _Block, positions: Integers) -> Iterable[bytes]:
    """Join the parts of a template for all its lines at once: a column of pieces per part, no work per value."""

    def column(part: Part) -> Iterable[bytes]:
        if isinstance(part, bytes):
            return repeat(part, len(positions))
        if isinstance(part, Pool):
            return _choose(part, block, positions)
        if part is Shared.EVENT:
            return _listed(known.event_names[block.streams[positions]])
        return _listed(block.visits.texts[part][positions])

    return map(b"".join, zip(*map(column, look.parts), strict=True))


def _choose(pool: Pool, block: _Block, positions: Integers) -> list[bytes]:
    size, count = len(pool.pieces), len(positions)
    if pool.link == "random":
        indices = block.draws.below(size, count)
    elif pool.link == "popular":
        indices = block.draws.mostly_small(size, count)
    else:
        indices = block.visits.choices[pool.link][positions]
    return _listed(pool.pieces[indices])


def _listed(pieces: np.ndarray[tuple[int, ...], np.dtype[np.bytes_] | np.dtype[np.object_]]) -> list[bytes]:
    listed: list[bytes] = pieces.tolist()
    return listed


def _altered(lines: list[bytes], position: int, look: Template, record_type: str, block: _Block, start: int) -> bytes:
    """Return what becomes of a particular line; the original of a duplicate stands before it, altered already."""
    line, kind, detail = lines[position], block.kinds[position], block.details[position]
    if kind == LineKind.CONFLICT:
        return with_conflict(line, look.payload, *look.conflict)
    if kind == LineKind.NEW_PROPERTY:
        return with_new_property(line, look.payload, block.hour_number, detail)
    if kind == LineKind.MALFORMED:
        return damage_of(record_type, detail).apply(line, detail)
    original = lines[detail - start]
    # Half are the same bytes again (a batch that was read twice), half were sent again by the device.
    return original if (position + detail) % 2 else _sent_again(original, block.visits, position)


def _sent_again(original: bytes, visits: Visits, position: int) -> bytes:
    sent, received = visits.texts[Shared.SENT_AT][position], visits.texts[Shared.RECEIVED_AT][position]
    return b'%s%s","receivedAt":"%s"}' % (original[:-_ARRIVAL_BYTES], sent, received)
