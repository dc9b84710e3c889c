"""The engine from findings to messages: once each, in groups, within limits, across restarts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.model.findings import Severity
from clickstream_platform.observe.alerts.routes import Route
from clickstream_platform.observe.alerts.silences import Silence
from clickstream_platform.observe.alerts.store import LEASE_SECONDS, AlertsTakenOverError, SqlAlertStore
from clickstream_platform.observe.alerts.timing import KindRule, Timing
from clickstream_platform_tests.observe.alerts.world import World, at, finding, routes, seen

LATE = finding()


def test_an_alert_is_told_once_and_once_that_it_is_over(world: World) -> None:
    world.live(0, 30, LATE)
    world.live(30, 60)
    assert world.sender.titles() == ["CRITICAL: acme: stream late", "RESOLVED: acme: stream late"]


def test_a_short_finding_is_told_to_nobody_and_a_short_absence_is_no_end(world: World) -> None:
    world.look(0, LATE)
    world.look(1)
    world.look(2, LATE)
    assert world.look(3, LATE).open == 0, "the wait began anew"
    world.live(4, 10, LATE)
    for minute in (10, 11, 12, 13):  # shorter than `resolve_after`
        world.look(minute)
    world.live(14, 20, LATE)
    assert world.sender.titles() == ["CRITICAL: acme: stream late"]


def test_what_comes_back_again_and_again_takes_longer_to_be_over(world: World) -> None:
    minute, ends = 0, []
    for _ in range(4):
        world.live(minute, minute + 3, LATE)
        absent = minute = minute + 3
        while not world.look(minute).resolved:
            minute += 1
        ends.append(minute - absent)
        minute += 1
    assert ends == [5, 10, 20, 40]
    assert "4 times lately" in [message for _, message in world.sender.sent if not message.is_over][-1].body
    world.live(minute + 400, minute + 403, LATE)  # the window of flapping is over
    world.sender.sent.clear()
    world.live(minute + 403, minute + 409)
    assert world.sender.titles() == ["RESOLVED: acme: stream late"]


def test_absence_means_nothing_where_nobody_looked(world: World) -> None:
    world.live(0, 5, LATE)
    for minute in range(5, 60):
        world.look(minute, kinds={"run_failed"})
        world.look(minute + 0.5, unseen={"acme"})
    assert world.look(60, LATE).open == 1
    assert world.sender.titles() == ["CRITICAL: acme: stream late"]


def test_alerts_of_one_kind_and_customer_are_one_message(world: World) -> None:
    streams = [finding(event=f"e{number:02}") for number in range(14)]
    world.live(0, 3, *streams)
    [(_, message)] = world.sender.sent
    assert message.title == "CRITICAL: acme: stream late (14)"
    assert message.body.count("\n- e") == 10
    assert "And 4 more are firing" in message.body
    assert len(message.facts) == 14
    world.live(3, 30, *streams[:4])
    world.live(30, 60)
    titles = [message.title for _, message in world.sender.sent[1:]]
    assert titles == ["PARTLY RESOLVED: acme: stream late (4)", "RESOLVED: acme: stream late (4)"]


def test_a_group_that_grows_is_told_at_intervals(world: World) -> None:
    for minute in range(30):
        world.look(minute, *(finding(event=f"e{number:02}") for number in range(minute + 1)))
    times = len(world.sender.sent)
    assert 5 <= times <= 7, "each five minutes, not each minute"


def test_a_restart_tells_nothing_again(world: World) -> None:
    world.live(0, 10, LATE)
    for minute in range(10, 20):
        world.engine.close()
        world.restart()
        world.look(minute, LATE)
    world.engine.close()
    world.restart()
    world.live(20, 30)
    assert world.sender.titles() == ["CRITICAL: acme: stream late", "RESOLVED: acme: stream late"]


def test_what_was_sent_and_not_written_down_is_sent_again_with_the_same_id(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    def die(*_: object) -> None:
        raise KilledError

    world.look(0, LATE)
    with monkeypatch.context() as patch:
        patch.setattr(SqlAlertStore, "record_sent", die)
        with pytest.raises(KilledError):
            world.look(2, LATE)
    world.restart()
    assert not world.look(3, LATE).is_owner, "the killed one's lease holds for a while"
    world.live(5, 10, LATE)
    first, second = (message for _, message in world.sender.sent)
    assert (first.id, first.incident) == (second.id, second.incident)


def test_only_one_of_several_engines_works(world: World) -> None:
    other = World(world.url)
    other.owners = 100
    other.restart()
    for minute in range(10):
        assert world.look(minute, LATE).is_owner
        assert not other.look(minute, LATE).is_owner
    world.engine.close()
    assert other.look(10, LATE).is_owner
    assert other.look(11, LATE).open == 1
    assert other.sender.titles() == []
    assert len(world.sender.titles()) == 1


def test_an_engine_that_was_stopped_for_too_long_writes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.look(0, LATE)
    slow = world.engine
    world.restart()
    later = LEASE_SECONDS / 60 + 1
    assert world.look(later, LATE).is_owner
    # It was stopped between taking its lease and writing, and goes on now.
    monkeypatch.setattr(slow._store, "take_lease", lambda *_: True)
    with pytest.raises(AlertsTakenOverError, match="another process has taken over"):
        slow.evaluate([seen()], at(later + 6))
    assert world.engine._store.load(at(later), 0).alerts[LATE.key].is_firing


def test_a_channel_in_trouble_is_tried_again_later_and_holds_up_no_other(world: World) -> None:
    world.routes = routes(Route("all", ("broken", "chat")))
    world.sender.away = {"broken"}
    for minute in range(7):
        world.look(minute, LATE)
    assert [name for name, _ in world.sender.sent] == ["chat"]
    trouble = world.engine._store.load(at(7), 600).troubles["broken"]
    assert (trouble.failures, trouble.error) == (4, "sending to channel broken: it is away. Wait.")
    world.sender.away = set()
    world.live(7, 60, LATE)
    assert [name for name, _ in world.sender.sent] == ["chat", "broken"]
    assert world.engine._store.load(at(60), 600).troubles == {}


def test_what_came_and_went_while_a_channel_was_away_is_not_told(world: World) -> None:
    world.sender.away = {"chat"}
    world.live(0, 5, LATE)
    world.live(5, 20)
    world.sender.away = set()
    world.live(20, 60)
    assert world.sender.titles() == []


def test_many_groups_at_once_are_one_message_and_a_limit_holds(world: World) -> None:
    world.routes = routes(max_messages=8, window_seconds=600)
    crowd = [finding(customer=f"c{number:02}") for number in range(50)]
    world.live(0, 3, *crowd)
    [(_, message)] = world.sender.sent
    assert message.title == "CRITICAL: 50 alerts in 50 places"
    assert "And 40 more groups" in message.body
    moments: list[int] = []
    newcomers = [finding(customer=f"n{number:03}") for number in range(60)]
    for minute in range(3, 63):  # a customer more each minute
        world.look(minute, *crowd, *newcomers[: minute - 2])
        moments += [minute] * (len(world.sender.sent) - len(moments) - 1)
    assert max(sum(start <= each < start + 10 for each in moments) for start in moments) <= 8
    world.live(63, 75, *crowd, *newcomers)
    told = [fact["key"] for _, message in world.sender.sent for fact in message.facts]
    assert len(told) == len(set(told)) == 110, "each alert was told once, limit or not"


def test_messages_of_less_weight_leave_room_for_critical_ones(world: World) -> None:
    world.routes = routes(max_messages=4, window_seconds=3_600, timing=Timing(digest_at=50))
    slow = [finding("load_slow", f"c{number}") for number in range(9)]
    world.live(0, 3, *slow[:3])
    assert len(world.sender.sent) == 3
    world.live(3, 10, *slow)
    assert len(world.sender.sent) == 3, "the last message of the hour is kept"
    world.live(10, 13, *slow, LATE)
    assert world.sender.titles()[3:] == ["CRITICAL: acme: stream late"]


def test_a_service_with_incidents_gets_one_per_group_that_ends_with_its_last_alert(world: World) -> None:
    world.routes = routes(Route("all", ("pager",)))
    world.sender.incidents = {"pager"}
    first, second = finding(event="a"), finding(event="b")
    world.live(0, 3, first)
    world.live(3, 20, first, second)
    world.live(20, 40, second)
    world.live(40, 60)
    states = [(message.is_over, message.incident) for _, message in world.sender.sent]
    assert [each for each, _ in states] == [False, False, True]
    assert len({incident for _, incident in states}) == 1


def test_incidents_are_never_folded_together(world: World) -> None:
    world.routes = routes(Route("all", ("pager",)), max_messages=10)
    world.sender.incidents = {"pager"}
    crowd = [finding(customer=f"c{number:02}") for number in range(25)]
    world.live(0, 45, *crowd)
    assert len({message.incident for _, message in world.sender.sent}) == len(world.sender.sent) == 25


def test_a_route_can_ask_for_reminders(world: World) -> None:
    world.routes = routes(Route("all", ("chat",), repeat_seconds=3_600))
    world.live(0, 150, LATE)
    assert world.sender.titles() == ["CRITICAL: acme: stream late"] + ["STILL: acme: stream late"] * 2
    ids = {message.id for _, message in world.sender.sent}
    assert len(ids) == len(world.sender.sent)


def test_a_silence_holds_back_and_what_still_holds_afterwards_is_told(world: World) -> None:
    store = world.engine._store
    number = store.add_silence(Silence(0, at(60), "known", "ann", kind="stream_*", customer="acme"))
    world.live(0, 30, LATE, finding("run_failed", "other", None))
    assert world.sender.titles() == ["CRITICAL: other: run failed"]
    assert world.look(30, LATE).held == 1
    assert store.end_silence(number, at(31))
    assert not store.end_silence(number, at(32))
    world.look(32, LATE)
    assert world.sender.titles() == ["CRITICAL: acme: stream late"]


def test_an_end_is_told_in_spite_of_a_silence(world: World) -> None:
    world.live(0, 5, LATE)
    world.engine._store.add_silence(Silence(0, at(600), "known", "ann", customer="acme"))
    world.live(5, 20)
    assert world.sender.titles() == ["CRITICAL: acme: stream late", "RESOLVED: acme: stream late"]


def test_consequences_are_not_told_while_their_cause_is_and_a_while_after(world: World) -> None:
    cause, crowd = finding("daemon_unhealthy", None, None), [finding(customer=f"c{number}") for number in range(9)]
    world.live(0, 30, cause, *crowd)
    world.live(30, 40, *crowd)  # the daemon is back and catches up
    world.live(40, 60)
    assert world.sender.titles() == ["CRITICAL: platform: daemon unhealthy", "RESOLVED: platform: daemon unhealthy"]
    world.live(60, 65, *crowd)
    assert len(world.sender.titles()) == 1, "without the cause they are told"


def test_an_alert_keeps_its_channel_when_the_routes_change(world: World) -> None:
    world.live(0, 5, LATE)
    world.routes = routes(Route("new", ("mail",), kinds=("stream_*",)), Route("rest", ("chat",)))
    world.live(5, 10, LATE)
    world.live(10, 20)
    assert [(name, message.is_over) for name, message in world.sender.sent] == [
        ("chat", False),
        ("mail", False),
        ("chat", True),
        ("mail", True),
    ]


def test_no_message_is_begun_after_the_time_for_sending(world: World) -> None:
    ticks = iter(range(0, 10_000, 11))
    world.engine.close()
    world.restart(lambda: float(next(ticks)))
    world.routes = routes(timing=Timing(digest_at=100))
    crowd = [finding(customer=f"c{number}") for number in range(6)]
    world.live(0, 2, *crowd)
    assert world.look(2, *crowd).sent == 2
    assert world.look(3, *crowd).sent == 2


def test_old_alerts_and_messages_are_forgotten(world: World) -> None:
    world.routes = routes(timing=Timing(keep_days=1))
    world.live(0, 5, LATE)
    world.live(5, 20)
    world.look(60 * 26)
    world.engine.evaluate([], at(60 * 26) + timedelta(hours=2))
    memory = world.engine._store.load(at(60 * 30), 864_000)
    assert (memory.alerts, memory.told, memory.last_sent, memory.sent) == ({}, {}, {}, {})


def test_a_severity_of_ones_own_changes_the_route(world: World) -> None:
    timing = Timing(kinds={"stream_late": KindRule(Severity.WARNING)})
    world.routes = routes(
        Route("page", ("pager",), at_least=Severity.CRITICAL), Route("rest", ("chat",)), timing=timing
    )
    world.live(0, 5, LATE)
    assert [name for name, _ in world.sender.sent] == ["chat"]


KEYS = [("stream_late", "a"), ("stream_late", "b"), ("volume_drop", "a"), ("registry_away", None)]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.sets(st.sampled_from(KEYS)), st.booleans(), st.booleans()), min_size=1, max_size=25),
    st.integers(1, 6),
)
def test_whatever_happens_each_alert_is_told_once_and_ends_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[set[tuple[str, str | None]], bool, bool]], limit: int
) -> None:
    """Findings come and go at random, the channel is away at times, processes restart: fires and ends alternate."""
    folder = Path(tmp_path_factory.mktemp("alerts"))
    world = World(f"sqlite:///{folder / 'alerts.db'}", routes(max_messages=limit, window_seconds=600))
    minute = 0
    for found, is_away, is_restarted in [*steps, (set(), False, False)]:
        world.sender.away = {"chat"} if is_away else set()
        if is_restarted:
            world.engine.close()
            world.restart()
        for _ in range(4 if found or is_away else 30):
            world.look(minute, *(finding(kind, customer, None) for kind, customer in found))
            minute += 1
    for _ in range(40):
        minute += 5
        world.look(minute)
    history: dict[str | None, list[str | None]] = {}
    for _, message in world.sender.sent:
        for fact in message.facts:
            history.setdefault(fact["key"], []).append(fact["state"])
    for key, states in history.items():
        assert states == ["firing", "resolved"] * (len(states) // 2), key
    memory = world.engine._store.load(at(minute), 0)
    assert memory.told == {}
    assert not [each for each in memory.alerts.values() if each.is_firing]
    world.engine.close()
