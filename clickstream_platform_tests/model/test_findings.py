"""Findings: their identity, their bounds and their written form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.findings import (
    FINDING_KINDS,
    MAX_DETAIL_CHARACTERS,
    MAX_DETAILS,
    MAX_SUMMARY_CHARACTERS,
    Finding,
    Severity,
    cut,
)

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
slugs = st.none() | st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
values = st.text() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
findings = st.builds(
    Finding,
    kind=st.sampled_from(sorted(FINDING_KINDS)),
    customer=slugs,
    event=slugs,
    summary=st.text(),
    since=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5))])),
    detail=st.dictionaries(st.text(max_size=20), values, max_size=30),
    links=st.dictionaries(st.sampled_from(["run", "check", "page"]), st.text(max_size=50)),
)


@given(findings)
def test_the_written_form_is_read_back_and_everything_is_bounded(finding: Finding) -> None:
    again = Finding.from_json(finding.to_json())
    assert again == finding
    assert (dict(again.detail), dict(again.links)) == (dict(finding.detail), dict(finding.links))
    assert len(finding.summary) <= MAX_SUMMARY_CHARACTERS
    assert "\n" not in finding.summary
    assert len(finding.detail) <= MAX_DETAILS
    assert all(len(value) <= MAX_DETAIL_CHARACTERS for value in finding.detail.values() if isinstance(value, str))
    assert finding.since.tzinfo is UTC


@given(findings, findings)
def test_two_findings_are_the_same_thing_when_kind_customer_and_event_are(one: Finding, other: Finding) -> None:
    same = (one.kind, one.customer, one.event) == (other.kind, other.customer, other.event)
    assert (one.key == other.key) == same


def test_a_finding_has_the_severity_and_runbook_of_its_kind() -> None:
    finding = Finding("stream_late", "acme", "sale", "late", NOW)
    assert (finding.key, finding.severity, finding.runbook) == (
        "stream_late|acme|sale",
        Severity.CRITICAL,
        "stream-late.md",
    )
    assert [each.rank for each in (Severity.INFO, Severity.WARNING, Severity.CRITICAL)] == [0, 1, 2]


def test_every_kind_has_a_runbook_of_its_own() -> None:
    runbooks = [kind.runbook for kind in FINDING_KINDS.values()]
    assert len(set(runbooks)) == len(runbooks)
    assert all(kind.meaning.endswith(".") for kind in FINDING_KINDS.values())


@pytest.mark.parametrize(("kind", "since"), [("no_kind", NOW), ("stream_late", NOW.replace(tzinfo=None))])
def test_an_unknown_kind_and_a_time_without_zone_are_refused(kind: str, since: datetime) -> None:
    with pytest.raises(InvalidNameError):
        Finding(kind, None, None, "what", since)


def test_a_text_is_cut_only_where_it_is_too_long() -> None:
    assert (cut("12345", 5), cut("123456", 5)) == ("12345", "1234…")
