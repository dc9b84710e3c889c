"""The pure parts of the pages: pages of a list, fields of a form, texts, snippets, what changed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.registry.pages.audit_pages import FieldChange, changes_of
from clickstream_platform.registry.pages.forms import Fields
from clickstream_platform.registry.pages.paging import page_of
from clickstream_platform.registry.pages.rendering import ago_text, duration_text, hour_text, moment_text
from clickstream_platform.registry.pages.snippets import PLACEHOLDER, snippets_for
from clickstream_platform.registry.refusals import InvalidRequestError

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


# Pages of a list


@given(total=st.integers(0, 200), size=st.integers(1, 60))
def test_pages_show_every_item_once(total: int, size: int) -> None:
    items, number = list(range(total)), 1
    shown: list[int] = []
    while True:
        page, paging = page_of(items, str(number), size)
        assert paging.number == number
        assert (paging.first, paging.last) == ((page[0] + 1, page[-1] + 1) if page else (0, 0))
        shown += page
        if paging.next is None:
            break
        number = paging.next
    assert shown == items
    assert paging.pages == number


@pytest.mark.parametrize(("asked", "number"), [("", 1), ("0", 1), ("99", 3), ("-1", 1), ("²", 1), ("9" * 400, 1)])
def test_a_page_that_is_none_is_the_nearest(asked: str, number: int) -> None:
    _, paging = page_of(range(25), asked, 10)
    assert paging.number == number


# Fields


def test_fields_are_read_as_what_they_are() -> None:
    form = {
        "n": " 12 ",
        "empty": "",
        "tick": "yes",
        "day": "2026-12-31",
        "json": '{"a": 1}',
        "lines": "a = b\n\n c=d=e ",
    }
    fields = Fields(form)
    assert fields.number("n", "N") == 12
    assert fields.optional_number("empty", "N") is None
    assert fields.optional_number("absent", "N") is None
    assert (fields.flag("tick"), fields.flag("n"), fields.flag("absent")) == (True, False, False)
    assert fields.day("day", "Day") == datetime(2027, 1, 1, tzinfo=UTC), "the last day counts to its end"
    assert fields.day("empty", "Day") is None
    assert fields.document("json", "Schema") == {"a": 1}
    assert fields.assignments("lines", "Settings") == {"a": "b", "c": "d=e"}


@pytest.mark.parametrize("text", ["", "-1", "1.5", "１２", "1e3", "0x1", "9" * 5000, "Infinity"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="Hours"):
        Fields({"n": text}).number("n", "Hours")


@pytest.mark.parametrize("text", ["2026-13-01", "31.12.2026", "tomorrow", "2026-12-31T00:00"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="Last day"):
        Fields({"day": text}).day("day", "Last day")


@pytest.mark.parametrize("text", ["", "[]", "1", "{", '{"a": }', "[" * 200_000])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="Schema"):
        Fields({"schema": text}).document("schema", "Schema")


def test_a_setting_without_a_sign_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        Fields({"settings": "host = h\nhunter2"}).assignments("settings", "Settings")
    assert "hunter2" not in str(refused.value)


# Texts


def test_times_and_durations_are_written_for_people() -> None:
    assert moment_text(NOW) == "22 Nov 2026, 09:30"
    assert hour_text("2026-11-02T07") == "2 Nov, 07:00"
    assert [duration_text(each) for each in (45, 90, 120, 1440, 4320)] == ["45 min", "90 min", "2 h", "1 day", "3 days"]


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(hours=48), "2 days ago"),
        (timedelta(hours=-3), "in 3 h"),
    ],
)
def test_how_long_ago(ago: timedelta, text: str) -> None:
    assert ago_text(NOW - ago, NOW) == text


def test_an_hour_is_as_old_as_its_end() -> None:
    assert ago_text("2026-11-22T07", NOW) == "1 h ago"


# Snippets


def test_snippets_hold_the_key_and_send_to_the_collector_only() -> None:
    snippets = snippets_for("https://collect.example.com/", "wk_123")
    assert [snippet.name for snippet in snippets] == ["Browser", "Node", "Python", "curl"]
    for snippet in snippets:
        assert "wk_123" in snippet.text
        assert PLACEHOLDER not in snippet.text
        assert "collect.example.com" in snippet.text
        assert "//collect.example.com//" not in snippet.text
        hosts = re.findall(r"https?://([^/\"'\s]+)", snippet.text)
        assert set(hosts) <= {"collect.example.com"}


def test_the_python_snippet_is_python_and_the_curl_snippet_sends_json() -> None:
    browser, node, python, curl = snippets_for("http://127.0.0.1:8080", """a"'\\$(id)`""")
    compile(python.text, "snippet", "exec")
    print_arguments = f"{sys.executable} -c 'import sys, json; print(json.dumps(sys.argv[1:]))'"
    command = curl.text.replace("curl", print_arguments, 1)
    arguments = json.loads(subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True).stdout)
    assert arguments[:2] == ["--user", """a"'\\$(id)`:"""]
    assert json.loads(arguments[arguments.index("--data") + 1])["event"] == "Order Completed"
    assert arguments[-1] == "http://127.0.0.1:8080/v1/track"
    assert '"127.0.0.1:8080/v1"' in browser.text
    assert '"http"' in browser.text
    assert '"http://127.0.0.1:8080"' in node.text


# What changed


def test_changes_are_told_by_field() -> None:
    before = {"slug": "a", "revision": 1, "state": "active", "policy": {"auto_activate": True, "column_limit": 9}}
    after = {"slug": "a", "revision": 2, "state": "paused", "policy": {"auto_activate": False, "column_limit": 9}}
    assert list(changes_of(before, after)) == [
        FieldChange("state", "active", "paused"),
        FieldChange("policy.auto_activate", True, False),
    ]
    assert list(changes_of(None, {"slug": "a", "state": "active", "note": None})) == [
        FieldChange("state", None, "active")
    ]
    assert list(changes_of({"state": "active"}, None)) == [FieldChange("state", "active", None)]
