"""The memory of alerts in SQLite and PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.findings import Finding
from clickstream_platform.observe.alerts.lifecycle import advance
from clickstream_platform.observe.alerts.silences import Silence
from clickstream_platform.observe.alerts.store import AlertStoreUnavailableError, SqlAlertStore
from clickstream_platform.observe.alerts.timing import Timing
from clickstream_platform_tests.observe.alerts.world import World, at, finding, seen


@pytest.fixture
def store(database_url: str) -> Iterator[SqlAlertStore]:
    opened = SqlAlertStore(database_url)
    opened.take_lease("me", at(0))
    yield opened
    opened.close()


def test_alerts_come_back_as_they_were(store: SqlAlertStore) -> None:
    findings = [finding(), finding("registry_away", None, None), finding(customer="ünïcode", event="日本語")]
    timing = Timing(fire_after_seconds=0)
    changes = advance({}, [seen(*findings)], at(1), timing)
    store.save("me", changes)
    assert store.load(at(2), 600).alerts == changes.saved
    later = advance(changes.saved, [seen(findings[0])], at(3), timing)
    store.save("me", later)
    expected = changes.saved | later.saved
    assert store.load(at(4), 600).alerts == expected
    assert {each.absent_since for each in expected.values()} == {None, at(3)}


def test_texts_that_a_database_refuses_are_kept_without_what_it_refuses(store: SqlAlertStore) -> None:
    nasty = Finding("stream_late", "acme", "page", "a\0b \ud800 c", at(0), {"x": "\0\ud800"}, {"run": "\0"})
    changes = advance({}, [seen(nasty)], at(1), Timing())
    store.save("me", changes)
    [alert] = store.load(at(2), 0).alerts.values()
    assert (alert.summary, alert.detail) == ("ab  c", {"x": "\0\ud800"})


def test_a_whole_day_works_on_each_database(database_url: str) -> None:
    world = World(database_url)
    crowd = [finding(customer=f"c{number}") for number in range(9)]
    world.live(0, 10, *crowd)
    world.restart()
    world.live(20, 30)
    assert world.sender.titles() == ["CRITICAL: 9 alerts in 9 places", "RESOLVED: 9 resolved in 9 places"]
    assert [title for _, _, title in world.engine._store.list_sent(1)] == ["RESOLVED: 9 resolved in 9 places"]
    world.engine.close()


def test_of_many_that_want_the_lease_at_once_one_has_it(database_url: str) -> None:
    stores = [SqlAlertStore(database_url) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(lambda pair: pair[1].take_lease(f"owner-{pair[0]}", at(0)), enumerate(stores)))
    assert taken.count(True) == 1
    for each in stores:
        each.close()


def test_silences_are_kept_until_they_end(store: SqlAlertStore) -> None:
    number = store.add_silence(Silence(0, at(10), "why", "ann", "stream_*", None, "page"))
    assert store.load(at(9), 0).silences == [Silence(number, at(10), "why", "ann", "stream_*", None, "page")]
    assert store.load(at(10), 0).silences == []


def test_twenty_thousand_alerts_take_seconds(store: SqlAlertStore) -> None:
    start = time.process_time()  # of this process alone: others may keep the machine busy
    findings = [finding(customer=f"c{number % 400}", event=f"e{number // 400}") for number in range(20_000)]
    store.save("me", advance({}, [seen(*findings)], at(0), Timing()))
    assert len(store.load(at(1), 600).alerts) == 20_000
    assert time.process_time() - start < 20


@pytest.mark.parametrize("url", ["no url", "nosuchdb://user:hunter2@host/x", "postgresql://u:hunter2@h:port/x"])
def test_an_address_that_cannot_be_right_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="CLICKSTREAM_ALERTS_URL") as error:
        SqlAlertStore(url)
    assert "hunter2" not in str(error.value)


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(AlertStoreUnavailableError, match="CLICKSTREAM_ALERTS_URL"):
        SqlAlertStore(f"sqlite:///{tmp_path / 'file' / 'alerts.db'}")


def test_what_a_wrong_clock_wrote_is_mended_and_nothing_else(store: SqlAlertStore) -> None:
    later = advance({}, [seen(finding())], at(9_000), Timing(fire_after_seconds=0))
    earlier = advance({}, [seen(finding(event="cart"))], at(1), Timing(fire_after_seconds=0))
    store.save("me", later)
    store.save("me", earlier)
    store.record_failure("me", "chat", 1, at(9_000), "away")
    store.mend_times("me", at(5))
    memory = store.load(at(5), 600)
    assert {each.event: each.changed_at for each in memory.alerts.values()} == {"page": at(5), "cart": at(1)}
    assert memory.troubles["chat"].next_try == at(5)
    assert store.take_lease("another", at(-9_000)), "the lease of a clock that was wrong is free"


def test_a_database_that_is_away_is_tried_again() -> None:
    with pytest.raises(AlertStoreUnavailableError) as error:
        SqlAlertStore("postgresql+psycopg2://user:hunter2@/db?host=/nowhere")
    assert "hunter2" not in str(error.value)
