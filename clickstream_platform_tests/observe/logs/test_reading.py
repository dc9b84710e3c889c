"""Following the logs: each line once, whatever comes late, at once, or from a clock that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.observe.logs import reading
from clickstream_platform.observe.logs.ports import IndexAwayError, LogHit, LogLine, LogQuery, PutAnswer
from clickstream_platform.observe.logs.reading import Follower

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


class ListIndex:
    """Lines in a list, found as an index finds them: the newest first, ties in any order."""

    def __init__(self) -> None:
        self.lines: list[tuple[datetime, str]] = []
        self.is_away = False

    def log(self, *names: str, seconds_ago: float = 0.0) -> None:
        self.lines += [(NOW - timedelta(seconds=seconds_ago), name) for name in names]

    def search(self, query: LogQuery) -> list[LogHit]:
        if self.is_away:
            raise IndexAwayError("searching the logs")
        found = [
            line
            for line in self.lines
            if (query.since is None or line[0] >= query.since) and (query.until is None or line[0] < query.until)
        ]
        found.sort(key=lambda line: line[0], reverse=True)
        return [LogHit(name, {"@timestamp": at.isoformat()}) for at, name in found[: query.limit]][::-1]

    def put(self, lines: Sequence[LogLine]) -> PutAnswer:
        return PutAnswer(refused=len(lines), reason="it only finds")

    def close(self) -> None:
        self.is_away = True


@pytest.fixture
def index() -> ListIndex:
    return ListIndex()


def names(hits: Sequence[LogHit]) -> list[str]:
    return [hit.id for hit in hits]


def follow(index: ListIndex, limit: int = 200) -> Follower:
    return Follower(index, LogQuery(limit=limit), FixedClock(NOW))


def test_the_lines_before_the_first_page_do_not_come_after_it(index: ListIndex) -> None:
    for number in range(20):
        index.log(f"{number}", seconds_ago=60 - number)
    follower = follow(index, limit=5)
    assert names(follower.read()) == ["15", "16", "17", "18", "19"]
    assert names(follower.read()) == []
    index.log("new")
    assert names(follower.read()) == ["new"]


def test_lines_of_one_moment_come_once_each(index: ListIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINES", 4)
    index.log("a")
    follower = follow(index)
    assert names(follower.read()) == ["a"]
    index.log("b", "c")
    assert sorted(names(follower.read())) == ["b", "c"]
    assert names(follower.read()) == []


def test_more_lines_than_one_page_holds_all_come(index: ListIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINES", 10)
    index.log("first", seconds_ago=100)
    follower = follow(index)
    follower.read()
    for number in range(35):
        index.log(f"{number:02}", seconds_ago=90 - number // 3)  # three of each moment: pages end among equals
    assert sorted(names(follower.read())) == [f"{number:02}" for number in range(35)]
    assert names(follower.read()) == []


def test_a_first_page_that_is_full_does_not_bring_older_lines_later(
    index: ListIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_LINES", 10)
    for number in range(30):
        index.log(f"{number:02}", seconds_ago=60 - number // 4)
    follower = follow(index, limit=3)
    assert len(follower.read()) == 3
    assert names(follower.read()) == []


def test_a_line_of_a_clock_that_is_fast_hides_no_others(index: ListIndex) -> None:
    index.log("of tomorrow", seconds_ago=-86_400)
    follower = follow(index)
    assert names(follower.read()) == ["of tomorrow"]
    index.log("of now")
    assert names(follower.read()) == ["of now"]
    assert names(follower.read()) == []


def test_late_lines_come_and_an_outage_is_told(index: ListIndex) -> None:
    index.log("a")
    follower = follow(index)
    follower.read()
    index.log("late", seconds_ago=110)
    assert names(follower.read()) == ["late"]
    index.is_away = True
    assert follower.read() == []
    assert follower.is_away
    index.is_away = False
    index.log("b")
    assert names(follower.read()) == ["b"]
    assert not follower.is_away


def test_an_index_that_is_away_from_the_beginning_is_an_error(index: ListIndex) -> None:
    index.is_away = True
    with pytest.raises(IndexAwayError):
        follow(index).read()
