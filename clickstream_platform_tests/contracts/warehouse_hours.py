"""What every warehouse must do where hours meet: ids that come twice, users that change, other writers.

What belongs here: promises over several loads. What does not: a single customer-hour (`contracts.warehouse`).
"""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clickstream_platform.load.ledger import list_loads
from clickstream_platform.load.reconcile import reconcile
from clickstream_platform.load.statements import DeleteHour
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.hours import Hour
from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.contracts.warehouse import statuses, values
from clickstream_platform_tests.targets import SCHEMA, Target

DAY = 24


class WarehouseHoursContract:
    """The promises of `load.port.Warehouse`, several hours and writers."""

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    def test_the_earliest_hour_keeps_a_repeated_id(self, target: Target, order: tuple[int, ...]) -> None:
        hours = [HOUR, HOUR.plus(5), HOUR.plus(DAY - 1)]
        for index in order:
            batch = target.batch(hours[index]).add("seen", [{"id": "twice", "n": index}, {"id": f"own-{index}"}])
            batch.add("pages", [{"id": "twice", "n": index}]).add("other", [{"id": f"other-{index}"}])
            assert target.load(batch.build()).failed == ()
        assert sorted(values(target.read("seen"), "id", "n")) == [
            ("own-0", None), ("own-1", None), ("own-2", None), ("twice", 0)
        ]  # fmt: skip
        assert values(target.read("pages"), "id", "n") == [("twice", 0)]
        assert target.ids("tracks") == ["other-0", "other-1", "other-2", "own-0", "own-1", "own-2", "twice"]
        counted = {(row.event, row.hour): row.counts for row in list_loads(target.warehouse, SCHEMA, SCHEMA)}
        assert {place: (c.rows, c.duplicates) for place, c in counted.items() if place[0] != "other"} == {
            ("seen", hours[0]): (2, 0), ("seen", hours[1]): (1, 1), ("seen", hours[2]): (1, 1),
            ("pages", hours[0]): (1, 0), ("pages", hours[1]): (0, 1), ("pages", hours[2]): (0, 1),
        }  # fmt: skip
        assert [finding for hour in hours for finding in reconcile(target.warehouse, SCHEMA, SCHEMA, hour)] == []

    def test_late_duplicates_are_in_the_final_counts(self, target: Target) -> None:
        target.load(target.batch().add("seen", [{"id": "a"}]).build())
        report = target.load(target.batch(HOUR.plus(1)).add("seen", [{"id": "a"}, {"id": "b"}], duplicates=1).build())
        assert [outcome.counts for outcome in report.outcomes] == [
            StreamCounts(objects=1, bytes=200, raw=3, rows=1, duplicates=2)
        ]

    @pytest.mark.parametrize(("apart", "kept"), [(timedelta(hours=24), 1), (timedelta(hours=24, microseconds=1), 2)])
    @pytest.mark.parametrize("forwards", [True, False])
    def test_the_window_ends_to_the_microsecond(
        self, target: Target, apart: timedelta, kept: int, forwards: bool
    ) -> None:
        times = [HOUR.start + timedelta(minutes=7), HOUR.start + timedelta(minutes=7) + apart]
        for time in times if forwards else reversed(times):
            row = {"id": "a", "received_at": time}
            target.load(target.batch(Hour.of(time)).add("seen", [row]).add("pages", [row]).build())
        assert [len(target.read(table)) for table in ("seen", "pages", "tracks")] == [kept] * 3

    def test_events_may_be_called_like_anything_of_the_loaders(self, target: Target) -> None:
        events = ["late", "s", "t", "pack_0", "pack_1", "merged_users", "touched_users", "fresh", "known", "moved"]
        for offset in (1, 0):
            batch = target.batch(HOUR.plus(offset))
            for event in events:
                batch.add(event, [{"id": "twice"}, {"id": f"own-{offset}"}])
            batch.add("identifies", [{"id": "twice", "user_id": "u", "n": offset}])
            assert target.load(batch.build()).failed == ()
        assert all(target.ids(event) == ["own-0", "own-1", "twice"] for event in events)
        assert values(target.read("users"), "id", "n") == [("u", 0)]

    def test_the_same_id_in_two_events_is_two_records(self, target: Target) -> None:
        target.load(target.batch().add("seen", [{"id": "a"}]).build())
        target.load(target.batch(HOUR.plus(1)).add("bought", [{"id": "a"}]).build())
        assert sorted(values(target.read("tracks"), "id", "event")) == [("a", "bought"), ("a", "seen")]

    def test_a_shorter_window_is_a_choice(self, target: Target) -> None:
        for offset in (0, 3):
            batch = target.batch(HOUR.plus(offset)).add("seen", [{"id": "a"}]).build()
            target.load(batch, dedup_window_hours=2)
        assert target.ids("seen") == ["a", "a"]

    def test_an_hour_that_gives_up_an_id_reopens_the_hours_that_lost_it(self, target: Target) -> None:
        target.load(target.batch().add("seen", [{"id": "a"}, {"id": "b"}]).build())
        later = target.batch(HOUR.plus(1)).add("seen", [{"id": "a"}]).add("other", [{"id": "o"}]).build()
        target.load(later)
        assert target.ids("seen", HOUR.plus(1)) == []
        report = target.load(target.batch().add("seen", [{"id": "b"}]).build())
        assert [outcome.reopened for outcome in report.outcomes] == [(HOUR.plus(1),)]
        (finding,) = reconcile(target.warehouse, SCHEMA, SCHEMA, HOUR.plus(1))
        assert "must be loaded again" in finding.what
        assert statuses(target.load(later)) == {"seen": "loaded", "other": "already_loaded"}
        assert (target.ids("seen"), target.ids("seen", HOUR.plus(1))) == (["a", "b"], ["a"])
        assert reconcile(target.warehouse, SCHEMA, SCHEMA, HOUR.plus(1)) == []

    def test_an_hour_that_only_grows_reopens_nothing(self, target: Target) -> None:
        target.load(target.batch().add("seen", [{"id": "a"}]).build())
        target.load(target.batch(HOUR.plus(1)).add("seen", [{"id": "a"}]).build())
        report = target.load(target.batch().add("seen", [{"id": "a"}, {"id": "b"}]).build())
        assert [outcome.reopened for outcome in report.outcomes] == [()]

    def test_users_have_the_newest_value_of_every_trait(self, target: Target) -> None:
        def identify(number: int, user: str | None, minutes: int, **traits: Any) -> dict[str, Any]:
            time = HOUR.start + timedelta(minutes=minutes)
            return {"id": f"i{number}", "user_id": user, "received_at": time, "anonymous_id": "x", **traits}

        first = [identify(1, "ann", 5, plan="free", age=7), identify(2, "bob", 6, plan="free"), identify(3, None, 7)]
        second = [identify(4, "ann", 65, plan="pro", context_os="BSD"), identify(5, "ann", 64, plan="old", age=8)]
        target.load(target.batch(HOUR.plus(1)).add("identifies", second).build())
        target.load(target.batch().add("identifies", first).build())
        users = target.read("users")
        assert values(users, "id", "plan", "age", "context_os") == [
            ("ann", "pro", 8, "BSD"),
            ("bob", "free", None, None),
        ]
        assert users[0]["received_at"].replace(tzinfo=UTC) == HOUR.start + timedelta(minutes=65)
        assert not users[0].keys() & {"user_id", "anonymous_id", "timestamp", "sent_at", "batch_hour"}
        target.load(target.batch(HOUR.plus(1)).add("identifies", [second[1], identify(6, "eve", 70, age=1)]).build())
        assert values(target.read("users"), "id", "plan", "age") == [
            ("ann", "old", 8),
            ("bob", "free", None),
            ("eve", None, 1),
        ]

    def test_users_are_the_same_whether_merged_or_worked_out_anew(self, target: Target) -> None:
        def identify(user: str, hours: int, number: int, **traits: Any) -> dict[str, Any]:
            time = HOUR.start + timedelta(hours=hours, minutes=number)
            return {"id": f"{user}-{hours}-{number}", "user_id": user, "received_at": time, **traits}

        target.load(
            target.batch().add("identifies", [identify("ann", 0, 1, a=1, b=1), identify("bob", 0, 2, a=1)]).build()
        )
        # `ann` has only newer rows, `bob` also one from before, `eve` none yet; two rows of one user come at once.
        rows = [identify("ann", 1, 1, a=2), identify("ann", 1, 2, b=3, c=4), identify("bob", 1, 3, b=5)]
        rows += [identify("bob", 0, 1, a=9, c=6), identify("eve", 1, 4, c=7)]
        target.load(target.batch(HOUR.plus(1)).add("identifies", rows).build())
        target.load(target.batch(HOUR.plus(2)).add("identifies", [identify("ann", 2, 0, d=8)]).build())
        assert values(target.read("users"), "id", "a", "b", "c", "d") == [
            ("ann", 2, 3, 4, 8), ("bob", 1, 5, 6, None), ("eve", None, None, 7, None)
        ]  # fmt: skip
        hours = [user["received_at"].replace(tzinfo=UTC) - HOUR.start for user in target.read("users")]
        assert hours == [timedelta(hours=2), timedelta(hours=1, minutes=3), timedelta(hours=1, minutes=4)]

    def test_accounts_follow_groups(self, target: Target) -> None:
        for offset, plan in ((1, "pro"), (0, "free")):
            row = {"id": f"g{offset}", "group_id": "acme", "user_id": "ann", "plan": plan}
            target.load(target.batch(HOUR.plus(offset)).add("groups", [row]).build())
        (account,) = target.read("accounts")
        assert (account["id"], account["plan"]) == ("acme", "pro")
        assert not account.keys() & {"group_id", "user_id", "batch_hour"}

    def test_users_forget_a_row_that_turned_out_to_be_a_duplicate(self, target: Target) -> None:
        again = {"id": "i", "user_id": "bob", "plan": "pro"}
        target.load(target.batch(HOUR.plus(1)).add("identifies", [again]).build())
        target.load(target.batch().add("identifies", [{"id": "i", "user_id": "ann", "plan": "free"}]).build())
        assert values(target.read("users"), "id", "plan") == [("ann", "free")]

    def test_users_table_widens_with_its_source(self, target: Target) -> None:
        target.load(target.batch().add("identifies", [{"id": "a", "user_id": "u", "age": 1, "gone": "x"}]).build())
        later = {"id": "b", "user_id": "u", "age": 1.5, "plan": "pro"}
        target.load(target.batch(HOUR.plus(1)).add("identifies", [later]).build())
        assert values(target.read("users"), "id", "age", "gone", "plan") == [("u", 1.5, "x", "pro")]

    def test_writers_of_a_schema_take_turns(self, target: Target) -> None:
        target.load(target.batch().add("seen", [{"id": "a"}]).build())
        order: list[str] = []

        def load_the_next_hour() -> None:
            target.load(target.batch(HOUR.plus(1)).add("seen", [{"id": "a"}, {"id": "b"}]).build())
            order.append("second")

        with target.warehouse.session(SCHEMA) as session:
            session.begin()
            second = threading.Thread(target=load_the_next_hour)
            second.start()
            second.join(0.5)
            order.append("first")
            session.execute(DeleteHour("seen", HOUR))
            session.execute(DeleteHour("tracks", HOUR, ("seen",)))
            session.commit()
        second.join()
        assert order == ["first", "second"]
        # The second read what the first had committed: there was no `a` any more to be a duplicate of.
        assert target.ids("seen") == ["a", "b"]

    def test_readers_see_all_of_a_load_or_nothing(self, target: Target) -> None:
        target.load(target.batch().add("seen", [{"id": "a"}]).build())
        with target.warehouse.session(SCHEMA) as writer:
            writer.begin()
            writer.execute(DeleteHour("seen", HOUR))
            with target.warehouse.session(SCHEMA, read_only=True) as reader:
                assert set(reader.columns(["seen"])) == {"seen"}
            assert reconcile(target.warehouse, SCHEMA, SCHEMA, HOUR) == []
            writer.commit()
        assert [finding.actual for finding in reconcile(target.warehouse, SCHEMA, SCHEMA, HOUR)] == [0]

    def test_thousands_of_hours_do_not_matter(self, target: Target) -> None:
        """An hour far from all others neither loses rows to them nor touches them."""
        target.load(target.batch().add("seen", [{"id": "a"}]).build())
        old = Hour.of(datetime(2001, 1, 1, tzinfo=UTC))
        target.load(target.batch(old).add("seen", [{"id": "a"}]).build())
        assert target.ids("seen") == ["a", "a"]
