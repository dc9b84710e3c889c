"""Checks of the registry: does its API or database answer, is it at this version's schema, is there anything in it.

Belongs here: looking. Does not: the registry.
"""

from __future__ import annotations

from collections.abc import Iterator

from clickstream_platform.doctor.findings import Finding, Status, attempt, of_error, ok, skipped, warn
from clickstream_platform.errors import ClickstreamError
from clickstream_platform.registry.client.cached import CachedRegistry
from clickstream_platform.registry.entities import Snapshot
from clickstream_platform.registry.migrating import HEAD, current_revision
from clickstream_platform.registry.store import Store

PART = "registry"
OLD_SNAPSHOT_SECONDS = 600.0
"""A snapshot that nobody confirmed for so long is worth a look."""


def check_database(url: str) -> Iterator[Finding]:
    """Yield the findings about the registry's database, which is only read."""
    revisions: list[str | None] = []

    def ask() -> str:
        store = Store(url)
        try:
            with store.reading() as transaction:
                revisions.append(current_revision(transaction.connection))
            return store.url
        finally:
            store.close()

    reached = attempt(PART, "database", ask)
    yield reached
    if reached.status is Status.FAIL:
        return
    if revisions[0] == HEAD:
        yield ok(PART, "schema", f"at {HEAD}")
        return
    state = f"at {revisions[0]}, this version has {HEAD}" if revisions[0] else "not made yet"
    remedy = "The next command of this version makes or migrates it; a newer version's is refused."
    yield warn(PART, "schema", state, remedy)


def check_api(registry: CachedRegistry) -> Iterator[Finding]:
    """Yield the findings about the registry's API and about what there is to go on with when it is away."""
    yield skipped(PART, "database", "it is asked through its API")
    try:
        status = registry.status()
    except ClickstreamError as error:
        yield of_error(PART, "API", error)
        return
    if status.is_answering:
        yield ok(PART, "API", status.url)
    else:
        remedy = "Start the registry or mend the way to it; hours of known customers are loaded meanwhile."
        yield warn(PART, "API", f"{status.url}: {status.trouble}", remedy)
    age = f"{status.source}, confirmed {status.age_seconds or 0.0:,.0f} s ago"
    if (status.age_seconds or 0.0) < OLD_SNAPSHOT_SECONDS:
        yield ok(PART, "snapshot", age)
    else:
        yield warn(PART, "snapshot", age, "Changes since then are not known here; they apply when the API is back.")
    if status.waiting:
        remedy = "They are delivered by themselves when the API is back."
        if status.is_answering:
            remedy = "The API takes no more at once, or the token may not announce: it must be of scope loader or more."
        yield warn(PART, "announcements", f"{status.waiting:,} wait in the outbox", remedy)
    else:
        yield ok(PART, "announcements", "none wait")


def check_content(snapshot: Snapshot) -> Finding:
    """Return the finding about what the registry holds."""
    if not snapshot.customers:
        remedy = "Add one with `clickstream registry customers add`."
        return warn(PART, "content", "no customers: nothing will be loaded", remedy)
    counts = f"{len(snapshot.customers)} customers, {len(snapshot.events)} events"
    return ok(PART, "content", f"{counts}, {len(snapshot.destinations)} destinations")
