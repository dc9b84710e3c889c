"""What is told of all streams together: states by customer, figures, and findings for whoever must act. Pure.

Belongs here: putting judgements together and saying them. Does not: judging (`judging`), routes (`observe.alerts`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from clickstream_platform.model.findings import Finding
from clickstream_platform.model.stream_status import StreamState, StreamStatus
from clickstream_platform.pipeline.freshness.judging import Judgement

TOLD_AFTER = timedelta(minutes=3)
"""What was only busy for a moment is no finding: the embedded warehouse is one file, which a run that loads holds."""
_KINDS = {
    StreamStatus.LATE: "stream_late",
    StreamStatus.SILENT: "stream_silent",
    StreamStatus.BLOCKED: "stream_blocked",
}
_PARTS = {"warehouse_away": "the warehouse", "objects_away": "the object store"}


class Links(Protocol):
    """Where people look at things."""

    def run(self, run_id: str) -> str:
        """Return the address of a run; empty when there is none."""
        ...

    def check(self, customer: str, check: str) -> str:
        """Return the address of an asset check of a customer; empty when there is none."""
        ...

    def page(self, customer: str, event: str | None) -> str:
        """Return the address of a customer's or event's page; empty when there is none."""
        ...


class NoLinks:
    """Knows no address."""

    def run(self, run_id: str) -> str:  # noqa: ARG002 (the port's form)
        """Return nothing."""
        return ""

    def check(self, customer: str, check: str) -> str:  # noqa: ARG002 (the port's form)
        """Return nothing."""
        return ""

    def page(self, customer: str, event: str | None) -> str:  # noqa: ARG002 (the port's form)
        """Return nothing."""
        return ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that was to be asked and did not answer; what it would have told is not known."""

    kind: str
    """A kind of finding: `warehouse_away`, `objects_away`."""
    what: str
    """Which one, such as the name of a destination."""
    since: datetime
    """When it began."""
    cause: str
    """The class of the error."""
    customers: frozenset[str] = frozenset()
    """Whose streams are judged by what was known before."""


@dataclass(frozen=True)
class CustomerFreshness:
    """One customer's streams."""

    customer: str
    judgements: tuple[Judgement, ...]
    unwatched: int = 0
    """Streams without a deadline, and those that are not loaded."""

    @property
    def offenders(self) -> tuple[Judgement, ...]:
        """The late, silent and blocked ones."""
        return tuple(each for each in self.judgements if each.state.status.is_offence)

    @property
    def counts(self) -> Counter[StreamStatus]:
        """How many streams have each status."""
        return Counter(each.state.status for each in self.judgements)


@dataclass(frozen=True)
class FreshnessReport:
    """All streams at one moment."""

    at: datetime
    customers: Mapping[str, CustomerFreshness]
    troubles: tuple[Trouble, ...] = ()
    """All that did not answer, also those that are no finding yet."""
    histories_waiting: int = 0
    """Quiet streams whose histories were not read yet; until then they are taken for fresh."""
    hours_looked_at: int = 0
    """Hours whose objects were compared with the ledger at least once, of `hours_watched`."""
    hours_watched: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)
    """What the look took: seconds, objects listed, ledger rows read."""

    @property
    def is_complete(self) -> bool:
        """Whether every watched hour was looked at since the process began."""
        return self.hours_looked_at >= self.hours_watched

    @property
    def unseen(self) -> frozenset[str]:
        """The customers whose ledgers did not answer: they are judged by what was known, which may be nothing."""
        return frozenset[str]().union(*(trouble.customers for trouble in self.troubles))

    def doubt(self, customer: str) -> str:
        """Return why a customer could not be judged in full; empty when it was."""
        for trouble in self.troubles:
            if trouble.kind == "objects_away" or customer in trouble.customers:
                return f"{words_of(trouble)} does not answer: {trouble.cause}"
        if not self.is_complete:
            return f"only {self.hours_looked_at} of {self.hours_watched} hours were compared so far"
        return ""

    def states(self) -> Iterator[StreamState]:
        """Yield the state of every watched stream."""
        return (each.state for customer in self.customers.values() for each in customer.judgements)

    def counts(self) -> Counter[StreamStatus]:
        """Return how many streams have each status."""
        return Counter(state.status for state in self.states())

    def offenders(self) -> list[StreamState]:
        """Return the late, silent and blocked streams, those with the greatest lag first."""
        found = [state for state in self.states() if state.status.is_offence]
        return sorted(found, key=lambda state: (-(state.lag_seconds or 0.0), state.stream))

    def findings(self, links: Links = NoLinks()) -> list[Finding]:  # noqa: B008 (has no state)
        """Return what somebody should know of; of a stream at most one thing."""
        found = [trouble_finding(each) for each in self.troubles if self.at - each.since >= TOLD_AFTER]
        for customer in self.customers.values():
            found += [finding_of(each, links) for each in customer.offenders]
        return found


def finding_of(judgement: Judgement, links: Links = NoLinks()) -> Finding:  # noqa: B008 (has no state)
    """Return the finding about an offender; a pause is what somebody wanted, so it is no more than information."""
    state = judgement.state
    kind = "stream_paused" if judgement.is_paused else _KINDS[state.status]
    detail: dict[str, str | int | float] = {"status": state.status.value}
    if state.newest_loaded_hour is not None:
        detail["newest_loaded_hour"] = str(state.newest_loaded_hour)
    if state.lag_seconds is not None:
        detail["lag_seconds"] = round(state.lag_seconds)
    if judgement.missing:
        detail["missing_hours"] = judgement.missing_hours
        detail["oldest_missing_hour"] = str(judgement.missing[0].hour)
    if judgement.failure is not None:
        detail |= {"run_id": judgement.failure.run_id, "error": judgement.failure.error}
    addresses = {
        "run": links.run(judgement.failure.run_id) if judgement.failure is not None else "",
        "check": links.check(state.stream.customer, "freshness"),
        "page": links.page(state.stream.customer, state.stream.event),
    }
    return Finding(
        kind,
        state.stream.customer,
        state.stream.event,
        f"{state.stream} is {state.status}: {state.reason}",
        judgement.since,
        detail,
        {name: address for name, address in addresses.items() if address},
    )


def trouble_finding(trouble: Trouble) -> Finding:
    """Return the finding about something that does not answer; there is one per kind, so its `what` is in the text."""
    concerned = f"; {len(trouble.customers)} customers are judged by what was known" if trouble.customers else ""
    detail: dict[str, str | int | float] = {
        "what": trouble.what,
        "cause": trouble.cause,
        "customers": len(trouble.customers),
    }
    return Finding(
        trouble.kind,
        None,
        None,
        f"{words_of(trouble)} does not answer: {trouble.cause}{concerned}",
        trouble.since,
        detail,
    )


def words_of(trouble: Trouble) -> str:
    """Return what does not answer, in words."""
    return f"{_PARTS[trouble.kind]} {trouble.what}"


def assemble(
    judgements: Iterable[Judgement],
    at: datetime,
    *,
    unwatched: Mapping[str, int] | None = None,
    troubles: Sequence[Trouble] = (),
    histories_waiting: int = 0,
    hours: tuple[int, int] = (0, 0),
    figures: Mapping[str, float] | None = None,
) -> FreshnessReport:
    """Return the report of all judgements; `unwatched` counts other streams by customer, `hours` is (looked at, of)."""
    by_customer: dict[str, list[Judgement]] = {customer: [] for customer in unwatched or ()}
    for judgement in judgements:
        by_customer.setdefault(judgement.state.stream.customer, []).append(judgement)
    customers = {
        customer: CustomerFreshness(customer, tuple(found), (unwatched or {}).get(customer, 0))
        for customer, found in sorted(by_customer.items())
    }
    return FreshnessReport(at, customers, tuple(troubles), histories_waiting, *hours, figures or {})
