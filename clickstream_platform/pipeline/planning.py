"""One tick of the search for ready hours: which customer-hours to request now, and what to remember.

Belongs here: the order, the bounds and the memory of a tick. Does not: what ready means (`discovery`), how a request
becomes a run (`defs`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from clickstream_platform.errors import RegistryError
from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.admission import Admission, announce
from clickstream_platform.pipeline.discovery import CustomerHour, Discovery, HourLook
from clickstream_platform.pipeline.hour_contents import Ignored
from clickstream_platform.pipeline.hour_memory import HourMemory
from clickstream_platform.pipeline.ports import EventRegistry, HourStore
from clickstream_platform.pipeline.sampling import Sampler

# Beside the recent hours, a tick looks at so many others: a backlog of months is worked off tick by tick.
MAX_OTHER_HOURS_PER_TICK = 48
# These, the current one included, are looked at in every tick, whatever the others cost.
FRESH_HOURS = 3
# Dagster ends a tick after 60 seconds; what is left of the recent hours then has its turn in the next tick.
LOOKING_SECONDS = 25.0


@dataclass(slots=True)
class HoursTick:
    """What a tick found: customer-hours to request, in order, each with its admission, and what a person should know.

    `skipped` are stream-hours that the registry does not want loaded, as (customer-hour, event, reason).
    `without_assets` are customers with ready hours that no asset loads yet, `refused` tells which customers the
    registry did not accept and why, and `refused_hours` when; `open_hours` counts customer-hours that have not closed,
    and `is_cut` says that more is ready than one tick may request.
    """

    requests: list[tuple[CustomerHour, Admission]] = field(default_factory=list)
    skipped: list[tuple[CustomerHour, str, str]] = field(default_factory=list)
    without_assets: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    refused_hours: set[Hour] = field(default_factory=set)
    open_hours: int = 0
    hours_looked_at: int = 0
    hours_changed: int = 0
    ignored: Ignored = field(default_factory=Ignored)
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class TickPlanner:
    """Chooses what to request.

    `customers` are those with assets. `find_requested` returns which of some run keys were requested before, so that a
    lost memory, or a late object of another customer in the same hour, requests nothing twice. `limit` bounds the
    requests of a tick. `store` is where sample records of new events are read.
    """

    discovery: Discovery
    registry: EventRegistry
    customers: Collection[str]
    find_requested: Callable[[Sequence[str]], Collection[str]]
    limit: int
    store: HourStore
    timer: Callable[[], float] = time.monotonic

    def plan(self, memory: HourMemory) -> HoursTick:
        """Look at the hours that may have changed and choose customer-hours; updates `memory`."""
        memory.meet_customers(hashlib.sha256("\n".join(sorted(self.customers)).encode()).hexdigest()[:16])
        recent = self.discovery.recent_hours()
        memory.keep_recent(recent)
        tick, started, sampler = HoursTick(), self.timer(), Sampler(self.store, memory.unsampled)
        for hour in self._hours_to_look_at(memory, recent):
            is_late = self.timer() - started >= LOOKING_SECONDS and hour not in recent[-FRESH_HOURS:]
            if is_late or not self._look(tick, memory, hour, sampler, is_recent=hour >= recent[0]):
                memory.resume, tick.is_cut = hour, True
                break
        else:
            memory.resume = None
        tick.requests.sort(key=lambda request: (request[0].hour, request[0].customer))
        return tick

    def _hours_to_look_at(self, memory: HourMemory, recent: list[Hour]) -> Iterator[Hour]:
        """Yield the fresh hours, those asked for, the other recent ones, then older ones that were never looked at."""
        memory.asked.hours = {hour for hour in memory.asked.hours if self.discovery.is_known(hour)}
        others = sorted(memory.asked.hours - set(recent))[:MAX_OTHER_HOURS_PER_TICK]
        known = memory.settled.hours | memory.asked.hours
        yield from recent[-FRESH_HOURS:]
        yield from others
        yield from _from(memory.resume, recent[:-FRESH_HOURS])
        unseen = (hour for hour in self.discovery.older_hours() if hour not in known)
        yield from islice(unseen, MAX_OTHER_HOURS_PER_TICK - len(others))

    def _look(self, tick: HoursTick, memory: HourMemory, hour: Hour, sampler: Sampler, *, is_recent: bool) -> bool:
        """Look at one hour and take what is new; False when the limit left some out."""
        tick.hours_looked_at += 1
        look = self.discovery.look(hour, None if hour in memory.asked.hours else memory.fingerprints.get(hour))
        if look is None:
            return True
        tick.hours_changed += 1
        tick.ignored.update(look.ignored)
        tick.open_hours += len(look.open_customers)
        if not self._take(tick, look, sampler):
            return False
        tick.without_assets |= self._remember(memory, look, is_recent=is_recent)
        if hour in tick.refused_hours:
            memory.asked.hours.add(hour)  # what was refused now may be taken in the next tick
        return True

    def _take(self, tick: HoursTick, look: HourLook, sampler: Sampler) -> bool:
        """Add the hour's new customer-hours to the requests; False when the limit left some out."""
        candidates = [each for each in look.ready if each.customer in self.customers]
        requested = self.find_requested([each.run_key for each in candidates]) if candidates else ()
        for each in candidates:
            if each.run_key in requested:
                continue
            if len(tick.requests) >= self.limit:
                return False
            try:
                records = {event: each.records(event) for event in each.streams}
                samples = sampler.take(self.registry, each)
                admission = announce(self.registry, each.customer, each.hour, records, samples)
            except RegistryError as error:  # one customer that the registry refuses holds nobody else back
                tick.refused[each.customer] = str(error)
                tick.refused_hours.add(each.hour)
                continue
            tick.skipped += [(each, event, reason) for event, reason in admission.skipped.items()]
            if admission.events:
                tick.requests.append((each, admission))
        return True

    def _remember(self, memory: HourMemory, look: HourLook, *, is_recent: bool) -> set[str]:
        """Note that everything ready in this hour is requested; return the customers that have no assets."""
        missing = {each.customer for each in look.ready} - set(self.customers)
        hour = look.hour
        memory.asked.hours.discard(hour)
        (memory.waiting.hours.add if missing else memory.waiting.hours.discard)(hour)
        if is_recent:
            memory.fingerprints[hour] = look.fingerprint
        elif not look.open_customers:
            memory.settled.hours.add(hour)
        return missing


def _from(first: Hour | None, hours: list[Hour]) -> list[Hour]:
    """Return the hours beginning with the first one at or after `first`, and those before it at the end."""
    start = next((n for n, hour in enumerate(hours) if first is not None and hour >= first), 0)
    return hours[start:] + hours[:start]
