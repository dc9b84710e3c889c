"""Real work under the roles' rights: a store that refuses what a policy does not allow, and what is left unused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from clickstream_platform.batcher.notes import Notes
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Seal
from clickstream_platform.model.object_keys import seal_key
from clickstream_platform.model.streams import UNIDENTIFIED
from clickstream_platform.pipeline.freshness.opening import open_watch
from clickstream_platform.pipeline.opening import Pipeline, open_pipeline
from clickstream_platform.pipeline.replays import Selection
from clickstream_platform.quarantine.quarantine import Quarantine
from clickstream_platform.quarantine.quarantine import Selection as InQuarantine
from clickstream_platform.settings import Settings
from clickstream_platform_tests.batcher.world import World, event
from clickstream_platform_tests.deploy.terraform.rights import GuardedStore, Rights
from clickstream_platform_tests.pipeline.stand_ins import NINE, NOW, TEN
from clickstream_platform_tests.pipeline.test_real_parts import load, put

OpenAs = Callable[[str], AbstractContextManager[tuple[Pipeline, GuardedStore]]]


def granted(role: str) -> set[tuple[str, str]]:
    """Return what a role may do with objects, by the first part of their key."""
    rights = Rights(role)
    actions = {action for action in rights.actions() if action.startswith("s3:") and action != "s3:ListBucket"}
    return {(action, prefix) for action in actions for prefix in rights.prefixes(action)}


def unused(role: str, store: GuardedStore) -> set[str]:
    """Return the rights that work did not need; large objects, whose uploads may have to be aborted, aside."""
    left = granted(role) - store.used
    return {f"{action} {prefix}" for action, prefix in left if action != "s3:AbortMultipartUpload"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def open_as(tmp_path: Path) -> OpenAs:
    """Open the pipeline on the same data with the rights of a role."""

    @contextmanager
    def opening(role: str) -> Iterator[tuple[Pipeline, GuardedStore]]:
        clock = FixedClock(max(NOW, TEN.plus(3).start))
        with open_pipeline(Settings(home=tmp_path, partitions_start=str(NINE)), clock) as opened:
            if not opened.wiring.registry.list_customers():
                opened.wiring.registry.add_customer("acme")
            store = GuardedStore(opened.wiring.objects, Rights(role))
            opened.wiring.__dict__["objects"] = store  # what is opened from here on takes this one
            yield opened, store

    return opening


@pytest.fixture
def hour(tmp_path: Path) -> Hour:
    """Put an hour of records: good ones, one that is refused, one with a value that no column holds, and a seal."""
    with open_pipeline(Settings(home=tmp_path), FixedClock(NOW)) as opened:
        put(opened, "sale", NINE, range(5))
        objects, at = opened.wiring.objects, f"{NINE.start:%Y-%m-%dT%H}:30:00Z"
        record = '{"type":"track","event":"note","messageId":"n1","receivedAt":"%s","properties":{"text":"%s"}}\n'
        objects.put(f"raw/hour={NINE}/customer=acme/event=note/s-1-1.ndjson", (record % (at, "x" * 70_000)).encode())
        objects.put(f"raw/hour={NINE}/customer=acme/event={UNIDENTIFIED}/s-9-9.ndjson", b"no json\n")
        objects.put(seal_key(NINE, "s"), Seal(NINE, "s", f"{NINE.end:%Y-%m-%dT%H}:00:00Z", {}).to_json())
    return NINE


def test_a_batcher_writes_takes_over_and_seals_again_and_cannot_delete(world: World) -> None:
    store = world.store = GuardedStore(world.store, Rights("batcher"))
    world.put(event(1), event(2))
    world.shards.put("stray", b"no events")
    world.run(world.worker())
    world.put(event(3))
    world.run(world.worker())  # another instance, which reads the ids
    world.advance(hours=2)
    world.run_all()
    world.put(event(4, at=NOW))  # late
    world.run_all()
    world.check_seals()
    assert unused("batcher", store) == set()
    with pytest.raises(ConfigurationError, match="s3:DeleteObject"):
        Notes(store, "test").remove("events.000000000000", 2**42, [])


def test_runs_load_an_hour_and_load_it_again(open_as: OpenAs, hour: Hour) -> None:
    with open_as("runs") as (pipeline, store):
        (report,) = load(pipeline).values()
        assert report.failed == ()
        replayed = list(pipeline.replays.replay(Selection(hour, hour), "again"))
        assert [each.hour for each in replayed] == [hour]
        # The registry's snapshot is read and shared where its API is asked, what was discarded and rejected is read by
        # people with `clickstream quarantine`, and large parts are looked up after their upload.
        assert unused("runs", store) <= {
            "s3:GetObject registry",
            "s3:PutObject registry",
            "s3:GetObject discarded",
            "s3:GetObject quarantine",
        }


def test_an_operator_reads_the_quarantine_and_writes_raw_objects_only(open_as: OpenAs, hour: Hour) -> None:
    with open_as("runs") as (pipeline, _):
        load(pipeline)
    with open_as("operator") as (_, store):
        quarantine = Quarantine(store)
        (item,) = quarantine.objects(InQuarantine("acme", UNIDENTIFIED, hour))
        assert [record.data for record in quarantine.records(item)] == [b"no json"]
        store.put(f"raw/hour={hour}/customer=acme/event=sale/retry.1-1-1.ndjson", b"")
        store.put(seal_key(hour, "retry.1"), b"{}")
        with pytest.raises(ConfigurationError, match="operator may not"):
            store.put("staged/customer=acme/x", b"")


@pytest.mark.parametrize("role", ["code_server", "registry"])
def test_sensors_and_pages_find_hours(role: str, open_as: OpenAs, hour: Hour) -> None:
    with open_as(role) as (pipeline, store):
        look = pipeline.discovery.look(hour)
        assert look is not None
        assert [each.customer for each in look.ready] == ["acme"]
        assert ("s3:GetObject", "seals") in store.used


def test_the_exporter_watches_without_reading_a_record(open_as: OpenAs, hour: Hour) -> None:
    with open_as("exporter") as (pipeline, store):
        report = open_watch(pipeline.wiring).look_through()
        assert (set(report.customers), report.troubles) == ({"acme"}, ())
        assert unused("exporter", store) <= {"s3:GetObject registry"}
        with pytest.raises(ConfigurationError, match="exporter may not"):
            store.get(next(iter(store.list_objects(f"raw/hour={hour}/"))).key)


@pytest.mark.parametrize("role", ["runs", "code_server", "exporter", "registry"])
def test_nobody_else_writes_raw_objects_and_nobody_deletes(role: str, open_as: OpenAs, hour: Hour) -> None:
    with open_as(role) as (_, store):
        key = next(iter(store.list_objects(f"raw/hour={hour}/"))).key
        for forbidden in (lambda: store.put(key, b""), lambda: store.delete(key)):
            with pytest.raises(ConfigurationError, match=f"{role} may not"):
                forbidden()
