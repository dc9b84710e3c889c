"""Which customer-hours are ready, and what a look costs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import ObjectRef
from clickstream_platform.model.object_keys import seal_key
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.discovery import Discovery, HourLook
from clickstream_platform_tests.pipeline.stand_ins import ELEVEN, NINE, TEN, TWELVE, StandInWiring


@pytest.fixture
def wiring() -> StandInWiring:
    return StandInWiring()


def discovery_of(wiring: StandInWiring) -> Discovery:
    return Discovery(
        wiring.objects, wiring.clock, first_hour=Hour.parse("2026-11-01T00"), lookback_hours=24, grace_minutes=15
    )


def look(wiring: StandInWiring, hour: Hour) -> HourLook:
    found = discovery_of(wiring).look(hour)
    assert found is not None
    return found


def ready(wiring: StandInWiring, hour: Hour) -> list[str]:
    return [each.customer for each in look(wiring, hour).ready]


def test_a_customer_hour_is_ready_when_every_shard_with_its_objects_has_sealed(wiring: StandInWiring) -> None:
    wiring.put("acme", "order", TWELVE, shard="shard1")
    wiring.put("acme", "click", TWELVE, shard="shard2")
    wiring.put("tiny", "click", TWELVE, shard="shard1")
    assert ready(wiring, TWELVE) == []
    wiring.seal(TWELVE, "shard1")
    assert ready(wiring, TWELVE) == ["tiny"]
    assert look(wiring, TWELVE).open_customers == ("acme",)
    wiring.seal(TWELVE, "shard2")
    assert ready(wiring, TWELVE) == ["acme", "tiny"]


def test_an_hour_without_seals_closes_by_time(wiring: StandInWiring) -> None:
    wiring.put("acme", "order", TWELVE)
    wiring.clock.advance(TWELVE.end - wiring.clock.now() + timedelta(minutes=14, seconds=59))
    assert ready(wiring, TWELVE) == []
    wiring.clock.advance(timedelta(seconds=1))
    assert ready(wiring, TWELVE) == ["acme"]


def test_a_look_is_skipped_while_nothing_changes_and_costs_two_listings(wiring: StandInWiring) -> None:
    wiring.put("acme", "order", NINE)
    wiring.seal(NINE)
    fingerprint = look(wiring, NINE).fingerprint
    wiring.objects.story.clear()
    assert discovery_of(wiring).look(NINE, fingerprint) is None
    assert wiring.objects.story == [
        ("list_objects", "raw/hour=2026-11-22T09/"),
        ("list_objects", "seals/hour=2026-11-22T09/"),
    ]
    wiring.put("acme", "order", NINE, number=2)
    assert discovery_of(wiring).look(NINE, fingerprint) is not None


def test_the_digest_names_the_objects_and_a_late_one_changes_only_its_own_customer_hour(wiring: StandInWiring) -> None:
    for customer in ("acme", "tiny"):
        wiring.put(customer, "order", NINE)
        wiring.put(customer, "click", NINE)
    before = {each.customer: each.run_key for each in look(wiring, NINE).ready}
    assert {each.customer: each.run_key for each in look(wiring, NINE).ready} == before
    wiring.put("tiny", "click", NINE, number=2)
    after = {each.customer: each.run_key for each in look(wiring, NINE).ready}
    assert after["acme"] == before["acme"]
    assert after["tiny"] != before["tiny"]
    assert before["tiny"].startswith("tiny|2026-11-22T09|")


def test_seals_add_record_counts_and_objects_that_the_listing_lacks(wiring: StandInWiring) -> None:
    ref = wiring.put("acme", "order", NINE)
    lost = ObjectRef(ref.key.replace("shard1-1-1", "shard1-2-2"), 7, "e", 3)
    told = ObjectRef(ref.key, ref.size, ref.etag, 5)
    wiring.seal(NINE, streams={Stream("acme", "order"): (told, lost)})
    (found,) = look(wiring, NINE).ready
    assert found.streams == {"order": (told, lost)}
    assert found.records("order") == 8


def test_markers_strange_keys_and_damaged_seals_are_counted_and_block_nobody(wiring: StandInWiring) -> None:
    wiring.put("acme", "order", NINE)
    for key in (
        "",
        "customer=acme/",
        "customer=acme/event=order/",
        "customer=acme/event=order/notes.txt",
        "customer=A B/event=x/s-1-1.ndjson",
    ):
        wiring.objects.put(f"raw/hour=2026-11-22T09/{key}", b"")
    wiring.objects.put(seal_key(NINE, "broken"), b'{"version":1,"hour":')
    wiring.objects.put(seal_key(NINE, "other"), b'{"version":1,"streams":5}')
    found = look(wiring, NINE)
    assert [each.customer for each in found.ready] == ["acme"]
    assert found.ignored.counts == {"directory_marker": 3, "outside_the_layout": 2, "damaged_seal": 2}
    assert found.ignored.examples["directory_marker"][0] == "raw/hour=2026-11-22T09/"


def test_recent_hours_end_with_the_current_one_and_older_hours_are_found_by_their_objects(
    wiring: StandInWiring,
) -> None:
    for text in ("2026-10-31T23", "2026-11-03T04", "2026-11-20T00", "2026-11-22T09"):
        wiring.put("acme", "order", Hour.parse(text))
    wiring.objects.put("raw/notes/readme.txt", b"")
    found = discovery_of(wiring)
    assert (found.recent_hours()[0], found.recent_hours()[-1]) == (TWELVE.plus(-24), TWELVE)
    assert [str(hour) for hour in found.older_hours()] == ["2026-11-03T04", "2026-11-20T00"]
    assert [found.is_known(hour) for hour in (Hour.parse("2026-10-31T23"), TEN, ELEVEN, TWELVE.plus(1))] == [
        False,
        True,
        True,
        False,
    ]
