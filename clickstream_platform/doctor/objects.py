"""Checks of the object store: write, read, list, delete, and write once.

Belongs here: a probe below the staged data, which it deletes where it may. Does not: the store.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from clickstream_platform.doctor.findings import (
    Finding,
    Status,
    attempt,
    fail,
    judge_clock,
    of_error,
    ok,
    skew_seconds,
    skipped,
    warn,
)
from clickstream_platform.errors import ClickstreamError, ConfigurationError, ObjectChangedError
from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.model.object_keys import RAW_PREFIX, STAGED_PREFIX
from clickstream_platform.model.shared_ports import Clock

PART = "object store"


def check_objects(store: ObjectStore, clock: Clock, url: str) -> Iterator[Finding]:
    """Yield the findings about a store; the probes are deleted again."""
    prefix = f"{STAGED_PREFIX}doctor-{secrets.token_hex(6)}/"
    written = attempt(PART, "read and write", lambda: _write_and_read(store, f"{prefix}probe", url))
    yield written
    if written.status is Status.FAIL:
        yield skipped(PART, "write once", "nothing can be written")
        return
    yield _check_write_once(store, f"{prefix}once")
    yield attempt(PART, "list raw objects", lambda: _list_raw(store))
    if url.startswith("s3://"):
        yield _check_clock(store, clock, f"{prefix}clock")
    yield remove_probes(PART, "delete", store, prefix)


def remove_probes(part: str, check: str, store: ObjectStore, prefix: str) -> Finding:
    """Delete the probes below a prefix; being refused is no failure, for in production nobody may delete."""
    try:
        return ok(part, check, delete_below(store, prefix))
    except ConfigurationError:
        remedy = "Let a lifecycle rule remove what is below staged/, or grant s3:DeleteObject on the doctor's probes."
        return warn(part, check, f"refused: the probes below {prefix} stay", remedy)
    except ClickstreamError as error:
        return of_error(part, check, error)


def delete_below(store: ObjectStore, prefix: str) -> str:
    """Delete all objects below a prefix and say so."""
    keys = [info.key for info in store.list_objects(prefix)]
    for key in keys:
        store.delete(key)
    return f"{len(keys)} probes deleted"


def _write_and_read(store: ObjectStore, key: str, url: str) -> str:
    data = b"clickstream doctor"
    store.put(key, data)
    if store.get(key) != data:
        raise ObjectChangedError(
            "reading back what was written",
            cause="it has other bytes",
            remedy="Use a store that keeps what it is given.",
        )
    return url


def _check_write_once(store: ObjectStore, key: str) -> Finding:
    try:
        store.put(key, b"first", if_absent=True)
        store.put(key, b"second", if_absent=True)
    except ObjectChangedError:
        return ok(PART, "write once", "a second writer is refused")
    except ClickstreamError as error:
        return of_error(PART, "write once", error)
    return fail(
        PART,
        "write once",
        "an object that exists was overwritten",
        "Use a store that honours If-None-Match: seals and raw objects must never change.",
    )


def _list_raw(store: ObjectStore) -> str:
    hours = list(store.list_prefixes(RAW_PREFIX))
    return f"{len(hours)} hours with raw objects"


def _check_clock(store: ObjectStore, clock: Clock, key: str) -> Finding:
    try:
        before = clock.now()
        answered = store.put(key, b"what time is it").modified  # in S3: when it answered
        after = clock.now()
    except ClickstreamError as error:
        return of_error(PART, "clock", error)
    return judge_clock(PART, skew_seconds(answered, before, after), "S3")
