"""Leases: who may take what, and a table whose conditions hold. On SQLite, and on PostgreSQL where one can run."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.batcher.bounds import BatchPlan
from clickstream_platform.batcher.consumer import ShardInfo
from clickstream_platform.batcher.lease_table import SqlLeaseTable
from clickstream_platform.batcher.leases import (
    Lease,
    LeaseLostError,
    LeaseTableUnavailableError,
    LeaseWatch,
    choose_leases,
    common_watermark_ms,
    has_work,
)
from clickstream_platform_tests.batcher.world import HOUR

SHARDS = [ShardInfo("s0"), ShardInfo("s1"), ShardInfo("s2", ("s0",))]


@pytest.fixture
def table(leases_url: str) -> Iterator[SqlLeaseTable]:
    made = SqlLeaseTable(leases_url, "test")
    made.add(SHARDS, HOUR)
    yield made
    made.close()


def taken(table: SqlLeaseTable, number: int, owner: str = "me") -> Lease:
    lease = table.take(table.list_leases()[number], owner)
    assert lease is not None
    return lease


def test_shards_are_added_once(table: SqlLeaseTable) -> None:
    assert table.add([*SHARDS, ShardInfo("s3", ("s1", "s2"))], HOUR) == 1
    leases = table.list_leases()
    assert [lease.shard_id for lease in leases] == ["s0", "s1", "s2", "s3"]
    assert leases[3].parents == ("s1", "s2")
    assert {lease.sealed_through for lease in leases} == {HOUR}


def test_a_lease_is_kept_as_it_was_changed(table: SqlLeaseTable) -> None:
    before = taken(table, 0)
    after = replace(
        before,
        position="4" * 56,
        plan=BatchPlan(10**56 + 7, 1, 2, 3),
        batches=9,
        watermark_ms=1_795_340_523_931,
        unsealed={HOUR: (1, 2), HOUR.plus(1): ()},
        sealed_through=HOUR.plus(2),
        is_finished=True,
    )
    table.change(before, after)
    assert table.list_leases()[0] == after


def test_a_lease_that_changed_since_it_was_read_is_not_taken(table: SqlLeaseTable) -> None:
    seen = table.list_leases()[0]
    assert table.take(seen, "first") is not None
    assert table.take(seen, "second") is None
    now = table.list_leases()[0]
    assert table.renew([now]) == {now.shard_id}
    assert table.take(now, "second") is None
    assert table.take(table.list_leases()[0], "second") is not None


def test_who_lost_a_lease_can_change_nothing(table: SqlLeaseTable) -> None:
    mine = taken(table, 0)
    theirs = taken(table, 0, "them")
    with pytest.raises(LeaseLostError):
        table.change(mine, replace(mine, position="1"), [ShardInfo("s9", ("s0",))])
    assert table.renew([mine]) == set()
    table.release(mine)
    assert table.list_leases()[0] == theirs
    assert len(table.list_leases()) == 3


def test_also_the_same_instance_that_lost_and_took_it_again_can_not_use_what_it_had(table: SqlLeaseTable) -> None:
    old = taken(table, 0)
    new = taken(table, 0)
    with pytest.raises(LeaseLostError):
        table.change(old, replace(old, position="1"))
    table.change(new, replace(new, position="1"))


def test_a_finished_shard_and_its_children_are_written_at_once(table: SqlLeaseTable) -> None:
    lease = taken(table, 1)
    table.change(lease, replace(lease, is_finished=True), [ShardInfo("s3", ("s1",)), ShardInfo("s2", ("s0",))])
    assert [each.shard_id for each in table.list_leases()] == ["s0", "s1", "s2", "s3"]
    assert table.list_leases()[3].sealed_through == HOUR.plus(-1)


def test_two_applications_share_a_table(table: SqlLeaseTable, leases_url: str) -> None:
    other = SqlLeaseTable(leases_url, "other")
    assert other.list_leases() == []
    other.add(SHARDS[:1], HOUR)
    taken(other, 0)
    assert table.list_leases()[0].owner is None
    other.close()


def test_many_threads_take_each_lease_once(table: SqlLeaseTable) -> None:
    winners: list[str] = []

    def take(owner: str) -> None:
        for lease in leases:
            if table.take(lease, owner) is not None:
                winners.append(lease.shard_id)

    leases = table.list_leases()
    threads = [threading.Thread(target=take, args=(f"owner-{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(winners) == {"s0": 1, "s1": 1, "s2": 1}


def test_instances_that_start_together_create_one_table(leases_url: str) -> None:
    made: list[SqlLeaseTable] = []
    threads = [threading.Thread(target=lambda: made.append(SqlLeaseTable(leases_url, "test"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    adders = [threading.Thread(target=each.add, args=(SHARDS, HOUR)) for each in made]
    for thread in adders:
        thread.start()
    for thread in adders:
        thread.join()
    assert len(made[0].list_leases()) == 3
    for each in made:
        each.close()


def test_a_database_that_does_not_answer_is_worth_waiting_for(tmp_path: Path) -> None:
    with pytest.raises(LeaseTableUnavailableError):
        SqlLeaseTable(f"sqlite:///{tmp_path / 'missing' / 'leases.db'}", "test")


def test_a_lease_is_expired_when_its_counter_stands_still_by_our_own_clock() -> None:
    now = [0.0]
    watch = LeaseWatch(10.0, lambda: now[0])
    held = Lease("s0", owner="them", counter=5)
    assert watch.observe([held]) == set()
    now[0] = 9.0
    assert watch.observe([replace(held, counter=6)]) == set()
    now[0] = 18.0
    assert watch.observe([replace(held, counter=6)]) == set()
    now[0] = 19.0
    assert watch.observe([replace(held, counter=6)]) == {"s0"}
    assert watch.observe([replace(held, owner=None)]) == {"s0"}


def test_children_wait_for_all_parents_and_finished_shards_for_their_seals() -> None:
    leases = [Lease("s0", is_finished=True), Lease("s1"), Lease("s2", ("s0", "s1")), Lease("s3", ("gone", "s0"))]
    by_shard = {lease.shard_id: lease for lease in leases}
    assert [lease.shard_id for lease in leases if has_work(lease, by_shard)] == ["s1", "s3"]
    unsealed = Lease("s0", is_finished=True, unsealed={HOUR: (1,)})
    assert has_work(unsealed, {"s0": unsealed})


def test_the_common_watermark_is_unknown_until_every_shard_was_read() -> None:
    read = [Lease("s0", watermark_ms=20), Lease("s1", watermark_ms=10), Lease("s2", is_finished=True, watermark_ms=5)]
    assert common_watermark_ms(read) == 10
    assert common_watermark_ms([*read, Lease("s3")]) is None
    assert common_watermark_ms(read[2:]) == 5
    assert common_watermark_ms([]) is None


def test_an_instance_with_too_little_steals_one_at_a_time_and_never_back_and_forth() -> None:
    leases = [Lease(f"s{n}", owner="rich") for n in range(5)]
    assert len(choose_leases(leases, set(), "poor", 10)) == 1
    even = [Lease("s0", owner="a"), Lease("s1", owner="a"), Lease("s2", owner="b")]
    assert choose_leases(even, set(), "b", 10) == []
    assert choose_leases(leases, set(), "poor", 0) == []


@given(st.integers(0, 12), st.lists(st.integers(0, 3), max_size=60))
def test_taking_turns_every_lease_gets_an_owner_and_shares_are_fair(count: int, turns: list[int]) -> None:
    owners = ["a", "b", "c", "d"]
    leases = {f"s{n}": Lease(f"s{n}") for n in range(count)}
    for turn in [*turns, *[0, 1, 2, 3] * (count + 1)]:
        free = {lease.shard_id for lease in leases.values() if lease.owner is None}
        for lease in choose_leases(list(leases.values()), free, owners[turn], 100):
            leases[lease.shard_id] = replace(lease, owner=owners[turn])
    held = Counter(lease.owner for lease in leases.values())
    assert held[None] == 0
    if count:
        shares = [held[owner] for owner in owners]
        assert max(shares) - min(shares) <= 1
