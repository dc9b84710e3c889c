"""The doctor's probes of the object store, where nobody may delete and where something is wrong."""

from __future__ import annotations

from clickstream_platform.doctor.findings import Status
from clickstream_platform.doctor.objects import check_objects
from clickstream_platform.errors import ConfigurationError, ObjectStoreUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform_tests.batcher.world import NOW


class Undeletable(MemoryObjectStore):
    """A store that refuses to delete, as in production, or fails to."""

    error: type[ConfigurationError] | type[ObjectStoreUnavailableError] = ConfigurationError

    def delete(self, key: str) -> None:
        raise self.error(f"cannot delete {key!r}", cause="access is denied", remedy="Grant it.")


def statuses(store: MemoryObjectStore) -> dict[str, Status]:
    return {finding.check: finding.status for finding in check_objects(store, FixedClock(NOW), "memory://")}


def test_all_is_well_where_probes_can_be_deleted() -> None:
    store = MemoryObjectStore()
    assert set(statuses(store).values()) == {Status.OK}
    assert list(store.list_objects("")) == []


def test_being_refused_to_delete_is_a_warning_and_no_failure() -> None:
    store = Undeletable()
    assert statuses(store)["delete"] is Status.WARN
    assert all(info.key.startswith("staged/doctor-") for info in store.list_objects(""))


def test_a_store_that_fails_to_delete_is_a_failure() -> None:
    store = Undeletable()
    store.error = ObjectStoreUnavailableError
    assert statuses(store)["delete"] is Status.FAIL
