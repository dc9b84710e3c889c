"""Judges one stream-hour against the stream's history: its records, its load's duration, and the shares. Pure.

Belongs here: what is measured and said. Does not: what is usual (`baseline`), reading ledgers (`watching`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from clickstream_platform.model.findings import Finding
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import UNIDENTIFIED, Stream
from clickstream_platform.pipeline.unusual.baseline import Baseline, hourly_baseline, plain_baseline
from clickstream_platform.pipeline.unusual.thresholds import Thresholds

DURATION, VOLUME, CONTENT = "duration", "volume", "content"
CHECK_OF_KIND: Mapping[str, str] = {
    "load_slow": DURATION,
    "volume_drop": VOLUME,
    "volume_surge": VOLUME,
    "rejected_share": CONTENT,
    "discards_share": CONTENT,
    "duplicates_share": CONTENT,
}


@dataclass(frozen=True, slots=True)
class HourFigures:
    """What the ledger has of a stream-hour."""

    records: int
    rows: int
    duplicates: int
    rejected: int
    discarded: int
    seconds: float
    """From the beginning of its load to the commit."""
    committed_at: datetime
    run_id: str = ""

    def share(self, kind: str) -> float:
        """Return a share in percent: of the records, or, of discarded values, of the rows."""
        part, of = {
            "rejected_share": (self.rejected, self.records),
            "duplicates_share": (self.duplicates, self.records),
            "discards_share": (self.discarded, self.rows),
        }[kind]
        return 100.0 * part / of if of else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one stream-hour."""

    stream: Stream
    hour: Hour
    findings: tuple[Finding, ...] = ()
    is_history_short: bool = False
    """Whether its volume could not be compared."""


def judge_hour(
    stream: Stream, hour: Hour, figures: HourFigures, history: Mapping[Hour, HourFigures], thresholds: Thresholds
) -> Verdict:
    """Compare an hour with earlier ones (others are left out); raw lines that name no stream have no usual volume."""
    if not thresholds.is_watched or stream.event == UNIDENTIFIED:
        return Verdict(stream, hour)
    earlier = {each: past for each, past in history.items() if each < hour}
    volume = hourly_baseline({each: float(past.records) for each, past in earlier.items()}, hour)
    teller = _Teller(stream, hour, figures)
    findings = [
        *_volume(teller, volume, thresholds),
        *_duration(teller, earlier, thresholds),
        *_shares(teller, earlier, thresholds),
    ]
    return Verdict(stream, hour, tuple(findings), volume is None)


@dataclass(frozen=True, slots=True)
class _Teller:
    """Says what was found of one hour."""

    stream: Stream
    hour: Hour
    figures: HourFigures

    def tell(self, kind: str, what: str, value: float, baseline: Baseline | None) -> Finding:
        usual = "" if baseline is None else f"; usual are {baseline.expected:,.4g} ({baseline.comparison})"
        detail: dict[str, str | int | float] = {"hour": str(self.hour), "value": round(value, 3)}
        if baseline is not None:
            detail |= {"expected": round(baseline.expected, 3), "samples": baseline.samples}
            detail |= {"distance": round(baseline.distance(value), 1)}
        if self.figures.run_id:
            detail["run_id"] = self.figures.run_id
        summary = f"{self.stream} {self.hour}: {what}{usual}"
        return Finding(kind, self.stream.customer, self.stream.event, summary, self.figures.committed_at, detail)


def _volume(teller: _Teller, baseline: Baseline | None, limits: Thresholds) -> Iterator[Finding]:
    value = float(teller.figures.records)
    if baseline is None or not is_far(value, baseline, limits.distance, limits.volume_factor, limits.volume_records):
        return
    kind = "volume_surge" if value > baseline.expected else "volume_drop"
    yield teller.tell(kind, f"{value:,.0f} records", value, baseline)


def _duration(teller: _Teller, earlier: Mapping[Hour, HourFigures], limits: Thresholds) -> Iterator[Finding]:
    value = teller.figures.seconds
    baseline = plain_baseline([past.seconds for past in earlier.values()])
    if baseline is None or value <= baseline.expected:
        return
    if is_far(value, baseline, limits.distance, limits.duration_factor, limits.duration_seconds):
        yield teller.tell("load_slow", f"the load took {value:,.0f} seconds", value, baseline)


def _shares(teller: _Teller, earlier: Mapping[Hour, HourFigures], limits: Thresholds) -> Iterator[Finding]:
    if teller.figures.records < limits.min_records:
        return
    of_records, of_rows = "% of the records", " in a hundred rows"
    for kind, words, unit, limit in (
        ("rejected_share", "rejected records", of_records, limits.rejected_percent),
        ("discards_share", "discarded values", of_rows, limits.discards_percent),
        ("duplicates_share", "duplicates", of_records, limits.duplicates_percent),
    ):
        value = teller.figures.share(kind)
        past = [each.share(kind) for each in earlier.values() if each.records >= limits.min_records]
        baseline = plain_baseline(past)
        is_unusual = (
            baseline is not None
            and value - baseline.expected >= limits.share_points
            and baseline.distance(value) >= limits.distance
        )
        if value > limit or is_unusual:
            yield teller.tell(kind, f"{words}: {value:.3g}{unit}", value, baseline)


def is_far(value: float, baseline: Baseline, distance: float, factor: float, difference: float) -> bool:
    """Whether a value is as far from what is usual as all three limits say."""
    expected = baseline.expected
    low, high = min(value, expected), max(value, expected)
    return abs(baseline.distance(value)) >= distance and high >= factor * low and high - low >= difference
