"""Alerting in the odd hours: refused messages, looks that are switched off, causes that flicker, ends in between."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from clickstream_platform.model.findings import Finding
from clickstream_platform.observe.alert_metrics import AlertMetrics
from clickstream_platform.observe.alerts import engine as engine_module
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.alerts.ports import Message, MessageRefusedError, NotificationError
from clickstream_platform.observe.alerts.routes import Channel, Route
from clickstream_platform.observe.alerts.timing import KindRule, Timing
from clickstream_platform_tests.observe.alerts.world import ALL_KINDS, World, at, finding, routes, seen

LATE = finding()
DAEMON = finding("daemon_unhealthy", None, None)


def refuse(world: World, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Let the service refuse messages with these words in their titles, and take the others."""
    send = world.sender.send

    def pick(channel: Channel, message: Message) -> None:
        if any(word in message.title for word in words):
            raise MessageRefusedError(f"sending to channel {channel.name}", cause="it answered 400", remedy="Look.")
        send(channel, message)

    monkeypatch.setattr(world.sender, "send", pick)


def test_a_message_that_is_refused_for_what_it_says_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(world, monkeypatch, "c0")
    crowd = [finding(customer=f"c{number}") for number in range(4)]
    world.live(0, 5, *crowd)
    assert world.sender.titles() == [f"CRITICAL: c{number}: stream late" for number in (1, 2, 3)]
    world.live(5, 40, *crowd, finding("registry_away", None, None))
    assert world.sender.titles() == ["CRITICAL: platform: registry away"]
    monkeypatch.undo()
    world.live(40, 60, *crowd, finding("registry_away", None, None))
    assert world.sender.titles() == ["CRITICAL: c0: stream late"]


def test_many_refused_messages_hold_up_no_other_either(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person removed the incidents of seven customers: the service knows nothing to resolve."""
    world.routes = routes(Route("all", ("pager",)))
    world.sender.incidents = {"pager"}
    crowd = [finding(customer=f"c{number}") for number in range(7)]
    world.live(0, 5, *crowd)
    assert len(world.sender.titles()) == 7
    refuse(world, monkeypatch, "RESOLVED: c")
    world.live(5, 30)
    world.live(30, 60, LATE)
    assert world.sender.titles() == ["CRITICAL: acme: stream late"]


def test_a_service_that_refuses_everything_is_not_asked_for_each_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.routes = routes(timing=Timing(digest_at=50), max_messages=50)
    asked: list[str] = []

    def refuse_all(_: Channel, message: Message) -> None:
        asked.append(message.title)
        raise MessageRefusedError("sending", cause="it answered 404", remedy="Look.")

    monkeypatch.setattr(world.sender, "send", refuse_all)
    world.live(0, 3, *(finding(customer=f"c{number}") for number in range(20)))
    assert len(asked) == 3


def test_what_nobody_looks_for_any_more_is_over_after_a_day(world: World) -> None:
    """A look that was switched off, such as that at collectors, must not leave an alert for ever, nor a cause."""
    others = ALL_KINDS - {"code_location_down"}
    world.live(0, 5, finding("code_location_down", None, None))
    minute = 5
    while minute < 24 * 60:
        world.look(minute, LATE, kinds=others)
        minute += 20
    assert world.sender.titles() == ["CRITICAL: platform: code location down"]
    for later in range(minute, minute + 60, 5):
        world.look(later, LATE, kinds=others)
    bodies = [message.body for _, message in world.sender.sent]
    assert "nobody has looked for it since 2026-11-22 00:05 UTC" in bodies[0]
    assert world.sender.titles() == ["RESOLVED: platform: code location down", "CRITICAL: acme: stream late"]


def test_a_customer_that_cannot_be_looked_at_keeps_its_alerts_for_longer(world: World) -> None:
    world.live(0, 5, LATE)
    for hour in range(1, 60):
        world.look(60 * hour, unseen={"acme"})
    assert world.sender.titles() == ["CRITICAL: acme: stream late"]


def test_a_cause_that_is_only_glimpsed_does_not_hold_back_for_ever(world: World) -> None:
    """It fired once; since then it is seen in one look each ten minutes, which tells nobody of it."""
    world.live(0, 5, DAEMON)
    world.live(5, 20)
    assert len(world.sender.titles()) == 2
    for minute in range(20, 80):
        world.look(minute, LATE, *([DAEMON] if minute % 10 == 0 else []))
    assert world.sender.titles() == ["CRITICAL: acme: stream late"]


def test_a_glimpse_of_what_was_over_does_not_change_how_long_it_was(world: World) -> None:
    world.live(0, 5, LATE)
    world.sender.away = {"chat"}
    world.live(5, 30)
    world.look(30, finding(since=30))
    world.live(31, 35)
    world.sender.away = set()
    world.live(35, 60)
    assert [message.body for _, message in world.sender.sent if message.is_over] == ["- page: over after 10 min"]


def test_a_cause_that_may_wait_long_for_its_own_alert_holds_back_no_longer_than_the_grace(world: World) -> None:
    rules = {"daemon_unhealthy": KindRule(fire_after_seconds=86_400)}
    world.routes = routes(timing=Timing(kinds=rules))
    world.live(0, 15, DAEMON, LATE)
    assert world.sender.titles() == []
    world.live(15, 20, DAEMON, LATE)
    assert world.sender.titles() == ["CRITICAL: acme: stream late"]


def test_a_warehouse_that_is_away_holds_back_only_what_is_in_it(world: World) -> None:
    away = finding("warehouse_away", None, None)
    ours, other = finding(customer="acme"), finding(customer="elsewhere")
    for minute in range(5):
        world.look(minute, away, ours, other, unseen={"acme"})
    assert world.sender.titles() == ["CRITICAL: elsewhere: stream late", "CRITICAL: platform: warehouse away"]
    world.engine.close()
    world.restart()
    world.live(5, 20, ours, other)  # it is back and catches up
    assert world.sender.titles() == ["RESOLVED: platform: warehouse away"]


@pytest.mark.parametrize(("part", "is_held"), [("hours, freshness", True), ("freshness, unusual", False), (None, True)])
def test_a_sensor_holds_back_only_what_it_starts(world: World, part: str | None, is_held: bool) -> None:
    detail = {} if part is None else {"parts": part}
    stale = Finding("sensor_stale", None, None, "does not tick", at(0), detail)
    world.live(0, 5, stale, LATE)
    assert ("CRITICAL: acme: stream late" in world.sender.titles()) is not is_held


def test_an_end_in_the_middle_of_sending_writes_down_what_was_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is told to end while a service thinks; the next one must neither repeat nor lose a message."""
    world.routes = routes(timing=Timing(digest_at=50))
    sending, may_go_on, send = threading.Event(), threading.Event(), world.sender.send
    crowd = [finding(customer=f"c{number}") for number in range(3)]
    world.live(0, 2, *crowd)

    def think(channel: Channel, message: Message) -> None:
        sending.set()
        assert may_go_on.wait(30)
        send(channel, message)

    monkeypatch.setattr(world.sender, "send", think)
    old = world.engine
    look = threading.Thread(target=old.evaluate, args=([seen(*crowd)], at(2)))
    look.start()
    assert sending.wait(30)
    end = threading.Thread(target=old.close)
    end.start()
    may_go_on.set()
    look.join(30)
    end.join(30)
    monkeypatch.undo()
    assert not old.evaluate([seen(*crowd)], at(2)).is_owner, "one that was closed does nothing"
    world.restart()
    world.live(3, 6, *crowd)
    assert sorted(world.sender.titles()) == [f"CRITICAL: c{number}: stream late" for number in range(3)]


def test_one_that_stands_by_says_that_somebody_judges_and_nothing_else(world: World) -> None:
    other = World(world.url)
    metrics = AlertMetrics()
    other.engine = engine_module.AlertEngine(
        other.engine._store, other.sender, routes, engine_module.EngineOptions("other"), metrics
    )

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"clickstream_alerts_{name}", labels)

    other.live(0, 5, LATE)
    assert (value("open", severity="critical"), value("messages_total", channel="chat", outcome="failed")) == (1, 0)
    other.engine._store.give_lease("other")
    assert world.look(5, LATE).is_owner
    assert not other.look(6, LATE).is_owner
    assert (value("open", severity="critical"), value("evaluated_timestamp_seconds")) == (0, at(6).timestamp())
    other.engine.close()


def test_a_database_that_begins_anew_gives_no_id_again(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    world.live(0, 5, LATE)
    fresh = World(f"sqlite:///{tmp_path_factory.mktemp('fresh') / 'alerts.db'}")
    fresh.live(60, 65, LATE)
    fresh.engine.close()
    [(_, first)], [(_, second)] = world.sender.sent, fresh.sender.sent
    assert first.id != second.id


def test_the_longest_pause_of_a_channel_leaves_no_gap_in_its_failures(world: World) -> None:
    """The rule on undelivered messages looks back fifteen minutes: a longer pause would make it flicker."""
    world.sender.away = {"chat"}
    tries: list[int] = []
    for minute in range(180):
        if world.engine.evaluate([seen(LATE)], at(minute)).failed:
            tries.append(minute)
    assert max(later - earlier for earlier, later in pairwise(tries)) <= 10


def test_a_finding_of_a_look_that_reached_nothing_is_told_all_the_same(world: World) -> None:
    for minute in range(3):
        world.engine.evaluate([Observation([LATE], frozenset())], at(minute))
    assert world.sender.titles() == ["CRITICAL: acme: stream late"]


def test_a_refusal_is_a_trouble_of_the_channel_for_whoever_asks_no_further() -> None:
    assert issubclass(MessageRefusedError, NotificationError)


def test_a_clock_that_is_set_back_does_not_silence_a_channel_for_longer_than_its_pause(world: World) -> None:
    world.sender.away = {"chat"}
    world.live(10_000, 10_040, LATE)
    world.sender.away = set()
    world.live(0, 15, LATE)
    assert world.sender.titles() == ["CRITICAL: acme: stream late"]
