"""Keys of single objects: each has one place, and none can be taken for another's."""

from __future__ import annotations

import pytest

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.gateways.object_store import check_key
from clickstream_platform.model.object_keys import (
    MANIFEST_PREFIX,
    QUARANTINE_PREFIX,
    RAW_PREFIX,
    REGISTRY_SNAPSHOT_KEY,
    SEAL_PREFIX,
    STAGED_PREFIX,
    RawObjectKey,
)


def test_the_registry_s_snapshot_has_a_key_of_its_own() -> None:
    check_key(REGISTRY_SNAPSHOT_KEY)
    assert REGISTRY_SNAPSHOT_KEY == "registry/snapshot.json.gz"
    others = (RAW_PREFIX, SEAL_PREFIX, MANIFEST_PREFIX, STAGED_PREFIX, QUARANTINE_PREFIX, "discarded/")
    assert not REGISTRY_SNAPSHOT_KEY.startswith(others)
    with pytest.raises(InvalidNameError):
        RawObjectKey.parse(REGISTRY_SNAPSHOT_KEY)
