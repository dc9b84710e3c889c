"""The watch's word for the registry's page: `registry.ports.StreamStates`, looked for behind the page's back.

A page never waits: it shows the last known states of a customer, and asking for them starts a look when they are old.
Belongs here: keeping, and looking in a thread. Does not: judging (`judging`), showing (`registry.pages`).
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.model.stream_status import StreamState
from clickstream_platform.pipeline.freshness.opening import open_watch, watch_options
from clickstream_platform.pipeline.freshness.watched import default_deadline_minutes
from clickstream_platform.pipeline.freshness.watching import FreshnessWatch
from clickstream_platform.registry.entities import Customer
from clickstream_platform.wiring import Wiring

_logger = logging.getLogger(__name__)
LOOK_AGAIN_AFTER = timedelta(seconds=60)
SHOWN_FOR = timedelta(minutes=10)
"""Older states are not shown: the page says what it knows by itself then."""
MAX_KEPT_CUSTOMERS = 50
"""Watches of the customers looked at most recently; each remembers three days of its streams."""


@dataclass
class _Kept:
    """One customer's watch and what it saw."""

    watch: FreshnessWatch
    states: Mapping[str, StreamState] = field(default_factory=dict)
    at: datetime | None = None
    tried_at: datetime | None = None
    is_looking: bool = False


class WatchedStates:
    """Looks at the customers whose pages are opened; shared by the threads of a process."""

    def __init__(self, wiring: Wiring) -> None:
        """Look with the parts of a wiring, which must stay open."""
        self._wiring = wiring
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="page-states")

    @property
    def default_deadline_minutes(self) -> int:
        """The deadline of events without one of their own; 0: they have none."""
        return default_deadline_minutes(self._wiring.settings)

    def close(self) -> None:
        """Look no more; a look under way is waited for, because it uses the wiring."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def of_customer(self, customer: Customer) -> Mapping[str, StreamState]:
        """Return the last known states by event, none while nothing is known; look again when they are old."""
        now = self._wiring.clock.now()
        with self._lock:
            kept = self._kept.get(customer.slug)
            if kept is None:
                options = watch_options(self._wiring.settings, customer.slug)
                kept = self._kept[customer.slug] = _Kept(open_watch(self._wiring, options))
            self._kept.move_to_end(customer.slug)
            if len(self._kept) > MAX_KEPT_CUSTOMERS:
                self._kept.popitem(last=False)
            if not kept.is_looking and (kept.tried_at is None or now - kept.tried_at >= LOOK_AGAIN_AFTER):
                kept.is_looking, kept.tried_at = True, now
                self._worker.submit(self._look, customer.slug, kept)
            return kept.states if kept.at is not None and now - kept.at <= SHOWN_FOR else {}

    def _look(self, customer: str, kept: _Kept) -> None:
        try:
            report = kept.watch.look_through()
            found = report.customers.get(customer)
            states = {each.state.stream.event: each.state for each in found.judgements} if found else {}
            if not report.doubt(customer):
                kept.states, kept.at = states, report.at
        except ClickstreamError as error:
            _logger.warning("The freshness of %s is not known: %s", customer, type(error).__name__)
        except Exception:
            # Nobody asks for the result of this thread's work: what is not logged here is never seen.
            _logger.exception("The look at %s failed", customer)
        finally:
            kept.is_looking = False
