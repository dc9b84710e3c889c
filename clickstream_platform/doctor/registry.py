"""Checks of the registry: does its database answer, is it at this version's schema, is there anything in it.

Belongs here: looking. Does not: the registry.
"""

from __future__ import annotations

from collections.abc import Iterator

from clickstream_platform.doctor.findings import Finding, Status, attempt, ok, warn
from clickstream_platform.registry.entities import Snapshot
from clickstream_platform.registry.migrating import HEAD, current_revision
from clickstream_platform.registry.store import Store

PART = "registry"


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


def check_content(snapshot: Snapshot) -> Finding:
    """Return the finding about what the registry holds."""
    if not snapshot.customers:
        remedy = "Add one with `clickstream registry customers add`."
        return warn(PART, "content", "no customers: nothing will be loaded", remedy)
    counts = f"{len(snapshot.customers)} customers, {len(snapshot.events)} events"
    return ok(PART, "content", f"{counts}, {len(snapshot.destinations)} destinations")
