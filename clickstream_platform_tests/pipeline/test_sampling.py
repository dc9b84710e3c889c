"""A sample is read in bounded memory, and never at the cost of an hour."""

from __future__ import annotations

import gzip
import json
import random

import pytest

from clickstream_platform.model.manifests import ObjectRef
from clickstream_platform.pipeline.discovery import CustomerHour
from clickstream_platform.pipeline.sampling import MAX_SAMPLE_BYTES, MAX_SAMPLES_PER_TICK, Sampler, take_sample
from clickstream_platform_tests.pipeline.stand_ins import NINE, TEN, StandInWiring

ORDER = json.dumps({"type": "track", "event": "Order Completed", "properties": {"total": 5}}).encode()


def sample_of(data: bytes, event: str = "order_completed") -> object:
    wiring = StandInWiring()
    return take_sample(wiring.objects, event, [wiring.put("acme", event, NINE, data=data)])


@pytest.mark.parametrize(
    "data",
    [
        ORDER,
        gzip.compress(ORDER + b"\n" + ORDER),
        b"\n  \nno json\n" + ORDER + b"\n",
        gzip.compress(ORDER + b"\n" + random.Random(1).randbytes(300_000).hex().encode()),
        gzip.compress(ORDER + b"\n" * 200_000)[:-20],
    ],
    ids=["plain", "gzip", "blank and damaged lines before it", "more than is read", "cut gzip"],
)
def test_the_first_record_of_the_event_is_taken_masked_with_its_name(data: bytes) -> None:
    sample = sample_of(data)
    assert sample is not None
    assert sample.name == "Order Completed"  # type: ignore[attr-defined]
    assert sample.document["properties"] == {"total": "<number>"}  # type: ignore[attr-defined]


def test_record_types_without_an_event_have_no_name() -> None:
    sample = sample_of(b'{"type": "page", "name": "Home", "event": "x"}', "pages")
    assert sample is not None
    assert sample.name == ""  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"[]", b'{"type": "track", "event": "Other"}', gzip.compress(ORDER)[:15]],
    ids=["empty", "no text", "no object", "another event", "cut"],
)
def test_an_object_without_a_record_of_the_event_gives_no_sample(data: bytes) -> None:
    assert sample_of(data) is None


def test_a_first_line_that_is_too_long_gives_no_sample() -> None:
    record = {"type": "track", "event": "Order Completed", "properties": {"note": "x" * MAX_SAMPLE_BYTES}}
    assert sample_of(gzip.compress(json.dumps(record).encode())) is None


def test_an_object_that_is_gone_gives_no_sample() -> None:
    wiring = StandInWiring()
    assert (
        take_sample(wiring.objects, "order", [ObjectRef(wiring.put("acme", "order", NINE).key + "x", 1, "e")]) is None
    )
    assert take_sample(wiring.objects, "order", []) is None


def hour_of(wiring: StandInWiring, events: list[str]) -> CustomerHour:
    streams = {
        event: (wiring.put("acme", event, NINE, data=json.dumps({"type": "track", "event": event}).encode()),)
        for event in events
    }
    return CustomerHour("acme", NINE, streams)


def test_events_are_sampled_when_they_arrive_for_the_first_time() -> None:
    wiring = StandInWiring()
    wiring.registry.add_customer("acme")
    wiring.registry.add_event("acme", "typed")
    wiring.registry.record_seen("acme", TEN, {"known": ("known", 1)})
    samples = Sampler(wiring.objects, set()).take(wiring.registry, hour_of(wiring, ["fresh", "known", "typed"]))
    assert sorted(samples) == ["fresh", "typed"]


def test_a_tick_takes_a_bounded_number_of_samples_and_the_others_are_taken_when_they_arrive_again() -> None:
    wiring, unsampled = StandInWiring(), set[str]()
    wiring.registry.add_customer("acme")
    events = [f"event_{number}" for number in range(MAX_SAMPLES_PER_TICK + 3)]
    hour = hour_of(wiring, events)
    first = Sampler(wiring.objects, unsampled).take(wiring.registry, hour)
    wiring.registry.record_seen("acme", NINE, {event: (event, 1) for event in events})
    second = Sampler(wiring.objects, unsampled).take(wiring.registry, hour)
    assert (len(first), len(second)) == (MAX_SAMPLES_PER_TICK, 3)
    assert first.keys() | second.keys() == set(events)
    assert not unsampled
