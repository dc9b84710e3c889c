"""The contract of the object store port, run against every store, and the address that chooses one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clickstream_platform.errors import ConfigurationError, ObjectNotFoundError, ObjectStoreUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.local_objects import LocalObjectStore
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.gateways.s3_objects import S3ObjectStore
from clickstream_platform.gateways.stores import open_object_store
from clickstream_platform_tests.contracts.object_store import ObjectStoreContract


class TestLocal(ObjectStoreContract):
    """A folder, not waiting for the disk, which no test could notice."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return LocalObjectStore(tmp_path / "objects", durable=False)


class TestMemory(ObjectStoreContract):
    """The fake."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        return MemoryObjectStore()


class TestS3(ObjectStoreContract):
    """A real server; small pages and parts, so that few and small objects make many of them."""

    paged_keys = 25

    @pytest.fixture
    def store(self, s3_endpoint: str, s3_bucket: str) -> ObjectStore:
        return S3ObjectStore(s3_bucket, "some/prefix", endpoint_url=s3_endpoint, page_size=7, multipart_bytes=6 << 20)


SEGMENTS = st.text(
    st.one_of(st.sampled_from("abAB0%=+ .-_~&?#'\"\\注é\U0001f600"), st.characters(exclude_categories=["C"])),
    min_size=1,
    max_size=30,
).filter(lambda text: text not in {".", ".."} and "/" not in text and not text.startswith("%~"))
KEYS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)


def _is_free_of_conflicts(keys: list[str]) -> bool:
    """Tell whether no key is another's folder, which a file system can't keep."""
    folders = {key[:at] for key in keys for at, character in enumerate(key) if character == "/"}
    return folders.isdisjoint(keys)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.lists(KEYS, min_size=1, max_size=8, unique=True).filter(_is_free_of_conflicts), st.data())
def test_any_keys_come_back_the_same_from_local_and_memory(keys: list[str], data: st.DataObject) -> None:
    prefix = data.draw(st.sampled_from(keys).flatmap(lambda key: st.integers(0, len(key)).map(lambda at: key[:at])))
    after = data.draw(st.sampled_from(["", *keys]))
    memory = MemoryObjectStore()
    with TemporaryDirectory() as folder:
        local = LocalObjectStore(Path(folder), durable=False)
        for store in (local, memory):
            store.put_many((key, key.encode()) for key in keys)
            assert [info.key for info in store.list_objects("")] == sorted(keys)
            assert dict(store.get_many(keys)) == {key: key.encode() for key in keys}
        here, there = ([info.key for info in store.list_objects(prefix, after=after)] for store in (local, memory))
        assert here == there == sorted(key for key in keys if key.startswith(prefix) and key > after)
        assert list(local.list_prefixes(prefix)) == list(memory.list_prefixes(prefix))
        for key in keys:
            local.delete(key)
        assert list(Path(folder).iterdir()) == []


def test_an_address_chooses_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FixedClock(datetime(2026, 11, 22, 9, tzinfo=UTC))
    for address in (str(tmp_path / "a b%20"), f"file://{tmp_path}/a b%20"):
        store = open_object_store(address, durable=False, clock=clock)
        assert store.url("k") == f"file://{tmp_path}/a b%20/k"
        assert store.put("k", b"x").modified == clock.now()
    monkeypatch.chdir(tmp_path)
    assert open_object_store("data/objects").url("k") == f"file://{tmp_path}/data/objects/k"
    assert open_object_store("s3://bucket").url("a/b%20") == "s3://bucket/a/b%20"
    assert open_object_store("s3://bucket/some/prefix/", region="eu-west-1").url("k") == "s3://bucket/some/prefix/k"
    memory = open_object_store("memory://", clock=clock)
    assert memory.put("k", b"x").modified == clock.now()
    assert not open_object_store("memory://").exists("k")


@pytest.mark.parametrize("address", ["", "file://", "file://folder", "s3://", "s3:///key", "gs://bucket", "memory://x"])
def test_any_other_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="Use s3://bucket/prefix"):
        open_object_store(address)


def test_the_fake_tells_its_story_and_fails_when_asked() -> None:
    clock = FixedClock(datetime(2026, 11, 22, 9, tzinfo=UTC))
    store = MemoryObjectStore(clock)
    store.fail_next("put", ObjectStoreUnavailableError("cannot put", cause="the test says so"))
    with pytest.raises(ObjectStoreUnavailableError):
        store.put("k", b"x")
    assert store.head("k") is None
    clock.advance(timedelta(minutes=5))
    assert store.put("k", b"x").modified == clock.now()
    list(store.list_objects("p/"))
    with pytest.raises(ObjectNotFoundError):
        store.get("none")
    assert store.story == [("put", "k"), ("head", "k"), ("put", "k"), ("list_objects", "p/"), ("get", "none")]
