"""The words of messages: bounded, harmless, with everything a person needs to begin."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.model.findings import Finding
from clickstream_platform.observe.alerts.alert import Alert
from clickstream_platform.observe.alerts.lifecycle import advance
from clickstream_platform.observe.alerts.messages import (
    MAX_BODY_CHARACTERS,
    MAX_FACTS,
    MAX_TITLE_CHARACTERS,
    Links,
    compose,
    harmless,
)
from clickstream_platform.observe.alerts.planning import News
from clickstream_platform.observe.alerts.timing import Timing
from clickstream_platform_tests.observe.alerts.world import ALL_KINDS, at, finding, seen

LINKS = Links("https://wiki.example/runbooks/")


def alert(of: Finding) -> Alert:
    [found] = advance({}, [seen(of)], at(60), Timing(fire_after_seconds=0)).saved.values()
    return found


def test_a_message_says_what_where_since_when_and_what_to_do() -> None:
    firing = replace(alert(finding(since=-30)), links={"run": "https://dagster.example/runs/1", "page": "javascript:x"})
    message = compose((News("g", new=[firing]),), at(60), LINKS)
    assert message.title == "CRITICAL: acme: stream late"
    assert message.body.splitlines() == [
        "Records arrived and were not in the table by the deadline.",
        "- page: stream_late of acme (since 2026-11-21 23:30 UTC, 90 min)",
        "  run: https://dagster.example/runs/1",
        "What to do: https://wiki.example/runbooks/stream-late.md",
    ]
    assert message.facts[0]["link_run"] == "https://dagster.example/runs/1"
    assert "link_page" not in message.facts[0]


def test_the_end_says_how_long_it_was() -> None:
    over = replace(alert(finding()), changed_at=at(60 * 5))
    message = compose((News("g", over=[over]),), at(60), LINKS)
    assert (message.title, message.body) == ("RESOLVED: acme: stream late", "- page: over after 5 h")
    assert message.is_over


def test_many_groups_name_the_runbooks_of_all_kinds() -> None:
    bundle = tuple(News(kind, new=[alert(finding(kind, None, None))]) for kind in sorted(ALL_KINDS))
    body = compose(bundle, at(60), LINKS).body
    assert body.count("https://wiki.example/runbooks/") == 10
    assert "more groups: `clickstream alerts list` shows all." in body


def test_the_runbook_is_never_cut_off() -> None:
    streams = [alert(Finding("stream_late", "acme", "e" * 99 + str(n), "why " * 75, at(0))) for n in range(10)]
    body = compose((News("g", new=streams),), at(60), LINKS).body
    assert len(body) <= MAX_BODY_CHARACTERS
    assert body.endswith("…\nWhat to do: https://wiki.example/runbooks/stream-late.md")


@given(
    st.text(max_size=400),
    st.lists(st.text(min_size=1, max_size=100), min_size=1, max_size=120),
    st.dictionaries(st.text(max_size=10), st.text(max_size=600), max_size=4),
)
def test_whatever_names_and_texts_hold_a_message_is_bounded_and_harmless(
    summary: str, events: list[str], links: dict[str, str]
) -> None:
    alerts = [alert(Finding("stream_late", "a<!channel>", event, summary, at(0), links=links)) for event in events]
    for bundle in ((News("g", new=alerts),), tuple(News(str(n), new=[each]) for n, each in enumerate(alerts))):
        message = compose(bundle, at(60), LINKS)
        assert len(message.title) <= MAX_TITLE_CHARACTERS
        assert len(message.body) <= MAX_BODY_CHARACTERS
        assert len(message.facts) <= MAX_FACTS
        assert not set("<>") & set(message.title + message.body)
        message.body.encode()


def test_what_a_chat_or_terminal_would_act_on_is_taken_apart() -> None:
    assert harmless("<!here> @everyone \x1b[31m`x` *y* \u202ez") == "‹!here› @\u200beveryone [31m'x' ∗y∗ z"
