"""Keys of single objects: each has one place, and none can be taken for another's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.gateways.object_store import check_key
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import (
    MANIFEST_PREFIX,
    QUARANTINE_PREFIX,
    RAW_PREFIX,
    REGISTRY_SNAPSHOT_KEY,
    SEAL_PREFIX,
    STAGED_PREFIX,
    RawObjectKey,
    seal_key,
)
from clickstream_platform.model.streams import Stream

HOUR = Hour.parse("2026-11-22T09")


def test_the_registry_s_snapshot_has_a_key_of_its_own() -> None:
    check_key(REGISTRY_SNAPSHOT_KEY)
    assert REGISTRY_SNAPSHOT_KEY == "registry/snapshot.json.gz"
    others = (RAW_PREFIX, SEAL_PREFIX, MANIFEST_PREFIX, STAGED_PREFIX, QUARANTINE_PREFIX, "discarded/")
    assert not REGISTRY_SNAPSHOT_KEY.startswith(others)
    with pytest.raises(InvalidNameError):
        RawObjectKey.parse(REGISTRY_SNAPSHOT_KEY)


@given(
    st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9]{1,6}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9]{1,6}", fullmatch=True),
)
def test_raw_keys_come_back_whatever_dashes_are_in_the_shard(shard: str, first: str, last: str) -> None:
    key = RawObjectKey(HOUR, Stream("shop", "sale"), shard, first, last)
    assert RawObjectKey.parse(str(key)) == key


@pytest.mark.parametrize("shard", ["a-b", "-", "", "a/b", "a b", "ä"])
def test_no_shard_with_a_dash_seals(shard: str) -> None:
    with pytest.raises(InvalidNameError):
        seal_key(HOUR, shard)


@pytest.mark.parametrize(
    "name",
    ["a-1.ndjson.gz", "a-1-2-.ndjson.gz", "a-1-2.json.gz", "-1-2.ndjson.gz", "a-1-b_c.ndjson.gz", "a b-1-2.ndjson"],
)
def test_other_names_are_no_raw_objects(name: str) -> None:
    with pytest.raises(InvalidNameError):
        RawObjectKey.parse(f"raw/hour=2026-11-22T09/customer=shop/event=sale/{name}")
