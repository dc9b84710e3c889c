"""One instance of the batcher: takes its share of the leases, keeps them, and runs a thread for each.

Belongs here: lists of shards, leases, threads, housekeeping, the log. Does not: work on a shard (`shard_worker`).
"""

from __future__ import annotations

import logging
import random
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from clickstream_platform.batcher.id_arrays import HOUR_MS
from clickstream_platform.batcher.leases import (
    Lease,
    LeaseLostError,
    LeaseWatch,
    choose_leases,
    common_watermark_ms,
    has_work,
)
from clickstream_platform.batcher.names import shard_name
from clickstream_platform.batcher.notes import Notes
from clickstream_platform.batcher.replaying import MAX_AGE
from clickstream_platform.batcher.shard_worker import Parts, ShardWorker, to_ms
from clickstream_platform.errors import (
    ClickstreamError,
    ConfigurationError,
    ObjectStoreUnavailableError,
    RetryableError,
)
from clickstream_platform.model.hours import Hour

CLEAN_SECONDS = 3_600.0
RETRY_SECONDS, MAX_RETRY_SECONDS = 0.5, 30.0
STUCK_SECONDS = 900.0
"""A step on a shard takes no longer, nor does a group of a batch's objects, nor do retries of one call."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Held:
    """A lease of this instance, its worker and its thread; the moments are those of the monotonic clock."""

    worker: ShardWorker
    folder: Path
    renewed_at: float
    stepped_at: float
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    is_lost: bool = False
    next_seal: float = 0.0


class Instance:
    """Runs until it is stopped. Several instances share the leases of one application."""

    def __init__(self, parts: Parts, owner: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Be known to other instances as `owner`, a name that no other process, not even an earlier one, has."""
        self._parts, self._owner, self._monotonic = parts, owner, monotonic
        self._watch = LeaseWatch(parts.config.failover_seconds, monotonic)
        self._held: dict[str, _Held] = {}
        self._common_watermark_ms: int | None = None
        self._written_until_ms = to_ms(parts.clock.now())  # as far as is known; before anything is, nothing is behind
        parts.metrics.behind.set_function(self._behind_seconds)  # asked for, so that it grows while nobody can tell
        self._keeper: threading.Thread | None = None
        self._next_clean = 0.0
        self._tried_at, self._ticked_at = monotonic(), -float("inf")
        self._wake = threading.Event()
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then write what is gathered and give all leases back."""
        self._stop = stop
        self._keeper = threading.Thread(target=self._keep_house, args=(stop,), name="housekeeping", daemon=True)
        self._keeper.start()
        pause = self._parts.config.failover_seconds / 4
        while not stop.is_set():
            if self._guarded("coordination", self.tick):
                self._ticked_at = self._monotonic()
            self._tried_at = self._monotonic()
            stop.wait(pause if self._held else min(pause, self._parts.config.poll_seconds))
        self._wake.set()
        self.shut_down()

    def find_stuck(self) -> str:
        """Return what in this process goes no further, and only a new process would mend; empty: nothing.

        A database, Kinesis or an object store that is away is none of these: work is tried again by itself.
        """
        now = self._monotonic()
        silent = now - self._tried_at
        if silent > STUCK_SECONDS:
            return f"no round for {silent:.0f} s"
        if self._keeper is not None and not self._keeper.is_alive() and not self._stop.is_set():
            return "housekeeping ended"
        stuck = [each for each in list(self._held.values()) if now - each.stepped_at > STUCK_SECONDS]
        return ", ".join(f"{each.worker.lease.shard_id}: no step for {now - each.stepped_at:.0f} s" for each in stuck)

    def find_unready(self) -> str:
        """Return why this instance takes no part in the work at the moment; empty: it does."""
        ago = self._monotonic() - self._ticked_at
        return "" if ago < 3 * self._parts.config.failover_seconds else "the lease table was not reached"

    def tick(self) -> None:
        """Do one round: renew, take, and see what the others have reached. Never waits for Kinesis or the objects."""
        started = self._monotonic()
        for shard_id in list(self._held):
            self._drop_ended(shard_id)
        for shard_id in self._renew(list(self._held)):
            self._lose(shard_id)
        leases = self._parts.table.list_leases()
        self._common_watermark_ms = common_watermark_ms(leases)
        # Ours without a worker: it was lost while the table did not answer, and nobody else took it.
        orphans = {lease.shard_id for lease in leases if lease.owner == self._owner}
        free = (self._watch.observe(leases) | orphans) - set(self._held)
        for lease in choose_leases(leases, free, self._owner, self._parts.config.max_leases):
            if self._monotonic() - started >= self._parts.config.failover_seconds / 4:
                break  # those that are held have to be renewed first; the rest is taken in the next round
            self._take(lease)
        self._tell(leases)

    def keep_house(self) -> None:
        """Add leases for new shards; once an hour remove what nobody can need any more."""
        hour = Hour.of(self._parts.clock.now())
        shards = self._parts.reader.list_shards()
        self._parts.table.add(shards, hour.plus(-1))
        common_ms = self._common_watermark_ms
        if common_ms is not None and self._monotonic() >= self._next_clean:
            self._next_clean = self._monotonic() + CLEAN_SECONDS
            self._clean({shard.shard_id for shard in shards}, common_ms)

    def _keep_house(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._wake.clear()
            is_done = self._guarded("housekeeping", self.keep_house)
            self._wake.wait(self._parts.config.sync_seconds if is_done else RETRY_SECONDS)

    def _guarded(self, what: str, work: Callable[[], None]) -> bool:
        try:
            work()
        except (ClickstreamError, OSError) as error:
            self._parts.metrics.failures.labels(what).inc()
            level = logging.WARNING if isinstance(error, RetryableError) else logging.ERROR
            _log.log(level, "%s is tried again: %s", what, error)
            return False
        return True

    def shut_down(self) -> None:
        """Let every worker write what it gathered, then release the leases."""
        held = list(self._held.values())
        for each in held:
            each.stop.set()
        while any(each.thread is not None and each.thread.is_alive() for each in held):
            for each in held:
                if each.thread is not None:
                    each.thread.join(self._parts.config.failover_seconds / 4 / len(held))
            working = [key for key, each in self._held.items() if each.thread is not None and each.thread.is_alive()]
            try:
                self._renew(working)  # who lost one finds out by itself
            except RetryableError as error:
                _log.warning("renewing is tried again: %s", error)
        for shard_id in list(self._held):
            self._drop(shard_id, is_released=True)

    def _renew(self, shard_ids: list[str]) -> list[str]:
        """Renew these leases; return the shards of those that are another's by now."""
        asked = self._monotonic()
        renewed = self._parts.table.renew([self._held[shard_id].worker.lease for shard_id in shard_ids])
        for shard_id in renewed:
            self._held[shard_id].renewed_at = asked
        return [shard_id for shard_id in shard_ids if shard_id not in renewed]

    def _lose(self, shard_id: str) -> None:
        self._held[shard_id].is_lost = True
        self._parts.metrics.lost.inc()
        _log.info("another instance took %s", shard_id)
        self._drop(shard_id, is_released=False)

    def _drop_ended(self, shard_id: str) -> None:
        """Give a lease back whose work is over, or whose thread ended."""
        held = self._held[shard_id]
        is_over = held.worker.lease.is_finished and not held.worker.lease.unsealed
        is_dead = held.thread is not None and not held.thread.is_alive()
        if is_dead and not is_over and not held.is_lost:
            self._parts.metrics.failures.labels("died").inc()
            _log.error("the worker of %s died; its lease is given back", shard_id)
        if is_over or is_dead:
            self._drop(shard_id, is_released=True)

    def _take(self, lease: Lease) -> None:
        asked = self._monotonic()
        taken = self._parts.table.take(lease, self._owner)
        if taken is None:
            return
        folder = self._parts.config.work_dir / f"{self._owner}-{taken.shard_id}-{taken.fence}"
        folder.mkdir(parents=True)
        worker = ShardWorker(taken, self._parts, lambda: self._is_ours(held), folder)
        held = _Held(worker, folder, asked, asked)
        held.thread = threading.Thread(target=self._work, args=(held,), name=taken.shard_id, daemon=True)
        self._held[taken.shard_id] = held
        _log.info("took %s at position %s", taken.shard_id, taken.position or "oldest")
        held.thread.start()

    def _drop(self, shard_id: str, *, is_released: bool) -> None:
        held = self._held.pop(shard_id)
        held.stop.set()
        if is_released:
            self._parts.table.release(held.worker.lease)

    def _is_ours(self, held: _Held) -> bool:
        held.stepped_at = self._monotonic()  # only its own thread asks
        return not held.is_lost and self._monotonic() < held.renewed_at + self._parts.config.failover_seconds

    def _work(self, held: _Held) -> None:
        """Run a worker's thread until it is stopped, its lease is lost or its work is over."""
        worker = held.worker
        try:
            self._work_until_stopped(held, worker)
            if not held.is_lost:
                self._write_rest(worker)
        finally:
            worker.forget()
            shutil.rmtree(held.folder, ignore_errors=True)
            self._wake.set()  # a shard that ended has children

    def _work_until_stopped(self, held: _Held, worker: ShardWorker) -> None:
        failures = 0
        while not held.stop.is_set():
            held.stepped_at = self._monotonic()
            try:
                pause = worker.step()
                failures = 0
                self._seal(held, worker)
            except LeaseLostError:
                held.is_lost = True
                return
            except (ClickstreamError, OSError) as error:
                failures += 1
                pause = self._pause_after(error, failures, worker)
            held.stop.wait(pause)

    def _seal(self, held: _Held, worker: ShardWorker) -> None:
        """Seal what is due; what can't be sealed is tried again later and stops nobody from reading on."""
        if self._monotonic() < held.next_seal:
            return
        try:
            worker.seal(self._common_watermark_ms)
        except LeaseLostError:
            raise
        except ClickstreamError as error:
            held.next_seal = self._monotonic() + MAX_RETRY_SECONDS
            self._parts.metrics.failures.labels("sealing").inc()
            level = logging.WARNING if isinstance(error, RetryableError) else logging.ERROR
            _log.log(level, "%s is sealed later: %s", worker.shard, error)

    def _pause_after(self, error: Exception, failures: int, worker: ShardWorker) -> float:
        """Log what failed and return the seconds until it is tried again; what was not written is gathered again."""
        kind = "retryable" if isinstance(error, RetryableError) else "terminal"
        self._parts.metrics.failures.labels(kind).inc()
        level = logging.WARNING if kind == "retryable" else logging.ERROR
        _log.log(level, "%s is worked on again: %s", worker.lease.shard_id, error)
        if not isinstance(error, ObjectStoreUnavailableError):  # that leaves everything as it was
            worker.forget()
        longest = min(MAX_RETRY_SECONDS, RETRY_SECONDS * 2.0**failures)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret

    def _write_rest(self, worker: ShardWorker) -> None:
        try:
            worker.finish()
        except (ClickstreamError, OSError) as error:
            _log.warning("%s stops without writing what it gathered, which is read again: %s", worker.shard, error)

    def _tell(self, leases: list[Lease]) -> None:
        by_shard = {lease.shard_id: lease for lease in leases}
        metrics = self._parts.metrics
        metrics.leases.set(len(self._held))
        working = [lease for lease in leases if has_work(lease, by_shard)]
        metrics.unowned.set(sum(lease.owner is None for lease in working))
        if self._common_watermark_ms is not None:
            self._written_until_ms = self._common_watermark_ms

    def _behind_seconds(self) -> float:
        return (to_ms(self._parts.clock.now()) - self._written_until_ms) / 1_000

    def _clean(self, listed: set[str], common_ms: int) -> None:
        """Remove notes that nobody can need any more, and leases of shards that Kinesis forgot."""
        config = self._parts.config
        # Replaying needs the ids that counted when it was read first; the rest is for clocks that differ.
        replay_ms = int(MAX_AGE.total_seconds() * 1_000)
        before_ms = common_ms - config.window_seconds * 1_000 - replay_ms - 2 * HOUR_MS
        notes = Notes(self._parts.store, config.application)
        for lease in self._parts.table.list_leases():
            needed = {number for numbers in lease.unsealed.values() for number in numbers}
            try:
                notes.remove(shard_name(config.kinesis_stream, lease.shard_id), before_ms, needed)
            except ConfigurationError as error:  # in production nobody may delete, and a lifecycle rule does it
                _log.info("old notes of %s stay: %s", lease.shard_id, error)
            is_old = lease.is_finished and (lease.watermark_ms or 0) < before_ms
            if is_old and not lease.unsealed and lease.shard_id not in listed:
                self._parts.table.remove(lease)
