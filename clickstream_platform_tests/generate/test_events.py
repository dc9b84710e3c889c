"""The stream of records: the same bytes for the same settings, exact counts, and every oddity as it is announced."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.generate import (
    GeneratedLine,
    GeneratorSettings,
    expected_counts,
    generate_blocks,
    generate_hour,
)
from clickstream_platform.generate.plan import BLOCK_RECORDS, LineKind, plan_hour
from clickstream_platform.generate.profiles import ProfileName
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.streams import RECORD_TYPES

HOUR = datetime(2026, 1, 5, 9, tzinfo=UTC)
SETTINGS = GeneratorSettings("acme", HOUR, hours=3, events_per_hour=2_000, streams=300, seed=7)
ODD = replace(
    SETTINGS,
    duplicate_share=0.05,
    late_share=0.05,
    malformed_share=0.05,
    conflict_share=0.05,
    new_property_share=0.05,
)


DIGESTS: dict[ProfileName, str] = {
    "ecommerce": "f290c80dfd72c774e6a175093d88869332f783b3eef389585ea075a62b7deba9",
    "saas": "06f69077237a179d955f7cb41d0fa6bebdbbe823b2ed0b5855c14cd77e33e014",
    "content": "bd0c29f6c31d89fe1e169da6c19c7a311770010ceb59931f7c0bdb73f0002b72",
}


@pytest.mark.parametrize("profile", DIGESTS)
def test_the_bytes_are_those_on_record(profile: ProfileName) -> None:
    """Whoever changes the generator on purpose records the new digest; a platform or a library must not change it."""
    settings = replace(ODD, profile=profile)
    text = b"".join(each.line + b"\n" for hour in range(3) for each in generate_hour(settings, hour))
    assert hashlib.sha256(text).hexdigest() == DIGESTS[profile]


def test_an_hour_depends_on_nothing_but_itself() -> None:
    alone = list(generate_hour(ODD, 2))
    list(generate_hour(ODD, 0))
    assert list(generate_hour(ODD, 2)) == alone
    assert list(generate_hour(replace(ODD, first_hour=HOUR + timedelta(hours=2), hours=1), 0)) == alone


@pytest.mark.parametrize("change", [{"seed": 8}, {"customer": "globex"}, {"first_hour": HOUR + timedelta(hours=1)}])
def test_another_seed_customer_or_hour_shares_no_record(change: dict[str, Any]) -> None:
    ours, others = (message_ids(generate_hour(each, 0)) for each in (SETTINGS, replace(SETTINGS, **change)))
    assert not ours & others


def test_blocks_hold_the_same_lines() -> None:
    settings = replace(SETTINGS, events_per_hour=BLOCK_RECORDS + 10)
    blocks = list(generate_blocks(settings, 0))
    assert [len(block) for block in blocks] == [BLOCK_RECORDS // 2 + 5] * 2
    assert [line for block in blocks for line in block] == [each.line for each in generate_hour(settings, 0)]


@pytest.mark.parametrize("events", [0, 1, 2, 7, 100, 2_000, BLOCK_RECORDS + 1])
def test_counts_are_exact(events: int) -> None:
    settings = replace(ODD, events_per_hour=events, malformed_share=0.2, duplicate_share=0.4, hours=1)
    lines = list(generate_hour(settings, 0))
    summary = expected_counts(settings)
    raw = Counter[str]()
    of_kind: dict[str, Counter[str]] = defaultdict(Counter)
    distinct: dict[str, set[str]] = defaultdict(set)
    for each in lines:
        raw[each.event_name] += 1
        of_kind[each.event_name][each.kind] += 1
        if each.kind != "malformed":
            distinct[each.event_name].add(json.loads(each.line)["messageId"])
    assert summary.raw == len(lines) == events
    assert {name: counts.raw for name, counts in summary.events.items()} == raw
    for name, counts in summary.events.items():
        assert counts.distinct == len(distinct[name]) == of_kind[name]["good"]
        assert counts.duplicates == of_kind[name]["duplicate"]
        assert counts.malformed == of_kind[name]["malformed"]
    assert summary.rejected == Counter(each.reason for each in lines if each.reason is not None)
    assert summary.raw == summary.distinct + summary.duplicates + summary.malformed


def test_the_shares_are_those_of_the_settings() -> None:
    summary = expected_counts(replace(SETTINGS, events_per_hour=10_000, hours=10))
    totals = (summary.duplicates, summary.malformed, summary.late, summary.conflicts, summary.new_properties)
    assert totals == (1_000, 100, 500, 500, 500)


def test_every_line_is_what_it_is_said_to_be() -> None:
    seen: dict[str, str] = {}
    reasons = Counter[RejectReason | None]()
    for each in generate_hour(replace(ODD, events_per_hour=5_000), 0):
        assert b"\n" not in each.line
        reason, record = read(each.line)
        assert reason is each.reason, each.line
        reasons[reason] += 1
        if record is None:
            assert each.kind == "malformed"
            continue
        assert record["type"] == each.record_type
        assert each.record_type != "track" or record["event"] == each.event_name
        assert (record["messageId"] in seen) is (each.kind == "duplicate")
        assert seen.setdefault(record["messageId"], each.event_name) == each.event_name
    assert set(reasons) >= {None, *(RejectReason(name) for name in REASONS)}


def test_half_of_the_duplicates_are_the_same_bytes_and_half_were_sent_again() -> None:
    originals: dict[str, bytes] = {}
    same = again = 0
    for each in generate_hour(ODD, 0):
        if each.kind == "good":
            originals[json.loads(each.line)["messageId"]] = each.line
        elif each.kind == "duplicate":
            record = json.loads(each.line)
            original = originals[record["messageId"]]
            first = json.loads(original)
            same += each.line == original
            again += record["receivedAt"] > first["receivedAt"]
            arrival = {"receivedAt": first["receivedAt"], "sentAt": first["sentAt"]}
            assert {**record, **arrival} == first
    assert same + again == 100
    assert min(same, again) > 25


def test_records_arrive_in_order_within_their_hour_and_only_late_ones_are_older() -> None:
    plan, end = plan_hour(ODD, 1), HOUR + timedelta(hours=2)
    arrivals, late = [], 0
    for kind, each in zip(plan.kinds.tolist(), generate_hour(ODD, 1), strict=True):
        if each.kind == "good":
            record = json.loads(each.line)
            received, sent, happened, said = (
                datetime.fromisoformat(record[key])
                for key in ("receivedAt", "sentAt", "timestamp", "originalTimestamp")
            )
            arrivals.append(received)
            age = HOUR + timedelta(hours=1) - happened
            assert (age > timedelta(0)) is (kind == LineKind.LATE)
            assert age < timedelta(hours=72)
            assert happened < received < end
            assert sent - said == received - happened, "the rule by which the device's clock is corrected"
            late += kind == LineKind.LATE
    assert arrivals == sorted(arrivals)
    assert arrivals[0] >= HOUR + timedelta(hours=1)
    assert late == 100


def test_conflicts_and_new_properties_are_where_they_are_planned() -> None:
    plan = plan_hour(ODD, 0)
    kinds_of_values = defaultdict(set)
    added: Counter[str] = Counter()
    usual: dict[str, set[str]] = defaultdict(set)
    unusual = []
    for kind, each in zip(plan.kinds.tolist(), generate_hour(ODD, 0), strict=True):
        if each.kind != "good":
            continue
        payload = json.loads(each.line).get("properties", {})
        for key, value in payload.items():
            if kind == LineKind.CONFLICT and isinstance(value, str):
                kinds_of_values[each.event_name, key].add("conflict")
            elif isinstance(value, int | float) and not isinstance(value, bool):
                kinds_of_values[each.event_name, key].add("number")
        if kind == LineKind.NEW_PROPERTY:
            unusual.append((each.event_name, set(payload)))
        else:
            usual[each.event_name] |= set(payload)
    for name, keys in unusual:
        added.update(keys - usual[name] if usual[name] else ())
    assert {"number", "conflict"} in kinds_of_values.values()
    assert len(added) == 4
    assert sum(added.values()) > 70


@pytest.mark.parametrize(
    "change",
    [
        {"first_hour": HOUR.replace(minute=30)},
        {"first_hour": HOUR.replace(tzinfo=None)},
        {"hours": 0},
        {"streams": 0},
        {"streams": 50_001},
        {"events_per_hour": -1},
        {"seed": -1},
        {"late_share": -0.1},
        {"duplicate_share": 0.5, "malformed_share": 0.5},
        {"duplicate_share": float("nan")},
        {"profile": "banking"},
        {"skew": "pareto"},
        {"customer": "Acme/Inc"},
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="generating events for"):
        replace(SETTINGS, **change)


def test_an_hour_beyond_the_settings_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no hour 3 in 3 hours"):
        next(generate_hour(SETTINGS, 3))


REASONS = ("not_json", "not_utf8", "lone_surrogate", "not_an_object", "unknown_type", "no_event_name")


def read(line: bytes) -> tuple[RejectReason | None, dict[str, Any] | None]:
    """Read a line strictly, with nothing but the standard library: the reason to reject it, or the record."""
    reason: RejectReason | None = None
    record: Any = None
    try:
        record = json.loads(line.decode(), parse_constant=int)  # NaN is not JSON
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        reason = RejectReason.NOT_UTF8
    except UnicodeEncodeError:
        reason = RejectReason.LONE_SURROGATE
    except ValueError:
        reason = RejectReason.NOT_JSON
    if reason is None and not isinstance(record, dict):
        reason = RejectReason.NOT_AN_OBJECT
    elif reason is None and record.get("type") not in RECORD_TYPES:
        reason = RejectReason.UNKNOWN_TYPE
    elif reason is None and record["type"] == "track" and not record.get("event"):
        reason = RejectReason.NO_EVENT_NAME
    return (None, record) if reason is None else (reason, None)


def message_ids(lines: Iterable[GeneratedLine]) -> set[str]:
    """Return the ids of all good lines."""
    return {json.loads(each.line)["messageId"] for each in lines if each.kind == "good"}
