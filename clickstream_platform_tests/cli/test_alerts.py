"""`clickstream alerts …` from the outside: channels tried for real, alerts listed, silences kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from clickstream_platform.cli.alerts import alerts_app, open_alert_engine
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.model.findings import FINDING_KINDS, Finding
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.settings import load_settings
from clickstream_platform_tests.gateways.notification_servers import HttpInbox, http_inbox

ROUTES = """
channels:
  chat: {url: "env:TEST_CHAT"}
  acme: {url: "env:TEST_ACME"}
kinds:
  stream_late: {fire_after_seconds: 0}
routes:
  - {name: acme, customers: [acme], channels: [acme], continue: true}
  - {name: rest, channels: [chat]}
"""


@pytest.fixture
def inbox() -> Iterator[HttpInbox]:
    with http_inbox() as opened:
        yield opened


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inbox: HttpInbox) -> Path:
    """Give the commands a home with a routes file of two channels that lead to one server."""
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    for name in ("chat", "acme"):
        monkeypatch.setenv(f"TEST_{name.upper()}", f"json://127.0.0.1:{inbox.port}/{name}")
    (tmp_path / "alert-routes.yaml").write_text(ROUTES)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(alerts_app, list(arguments))


def answer(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def paths(inbox: HttpInbox) -> list[str]:
    found = [path for path, _ in inbox.requests]
    inbox.requests.clear()
    return found


def fire(*findings: Finding) -> None:
    """Let the engine see these findings, as the exporter does."""
    engine = open_alert_engine(load_settings())
    engine.evaluate([Observation(findings, frozenset(FINDING_KINDS))], SystemClock().now())
    engine.close()


def test_every_channel_is_tried(inbox: HttpInbox) -> None:
    tried = answer("test")
    assert [(each["channel"], each["sent"], each["problem"]) for each in tried] == [
        ("acme", 1, None),
        ("chat", 1, None),
        ("log", 1, None),
    ]
    assert [body["title"] for _, body in inbox.requests] == ["TEST of channel acme", "TEST of channel chat"]


def test_those_that_an_alert_would_reach_are_tried(inbox: HttpInbox) -> None:
    answer("test", "--kind", "stream_late", "--customer", "acme")
    assert paths(inbox) == ["/acme", "/chat"]
    answer("test", "--kind", "stream_late", "--customer", "other")
    assert paths(inbox) == ["/chat"]
    answer("test", "--channel", "acme", "--dry-run")
    assert paths(inbox) == []


def test_a_channel_that_does_not_work_is_named_and_its_address_is_not(
    inbox: HttpInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_CHAT", "nonsense://S3CR3T")
    monkeypatch.delenv("TEST_ACME")
    result = run("test", "--dry-run")
    assert result.exit_code == 1
    assert "its address is none that Apprise knows" in result.stdout
    assert "the variable is not set" in result.stdout
    assert "S3CR3T" not in result.output


def test_an_incident_that_a_test_opens_is_closed(monkeypatch: pytest.MonkeyPatch, inbox: HttpInbox) -> None:
    from apprise.plugins import pagerduty

    monkeypatch.setitem(pagerduty.PAGERDUTY_API_LOOKUP, "us", f"http://127.0.0.1:{inbox.port}/v2")
    monkeypatch.setenv("TEST_CHAT", "pagerduty://integration@key")
    [tried] = answer("test", "--channel", "chat")
    assert (tried["tracks_incidents"], tried["sent"]) == (True, 2)
    assert [body["event_action"] for _, body in inbox.requests] == ["trigger", "resolve"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("test", "--channel", "nobody"), "there is no such channel"),
        (("test", "--kind", "stream_lat"), "unknown kind stream_lat"),
        (("test", "--customer", "acme"), "Give --kind as well"),
        (("silence", "--reason", "x"), "it would silence all of them"),
        (("silence", "--reason", "x", "--kind", "stream_lat"), "nothing would be silenced"),
        (("silence", "--reason", "x", "--kind", "*", "--for", "2 weeks"), "Write a number and m, h or d"),
        (("silence", "--reason", "x", "--kind", "*", "--for", "999d"), "longer than a year"),
        (("unsilence", "7"), "there is none of this number"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert words in result.stderr


def test_a_broken_routes_file_is_shown_with_its_line(home: Path) -> None:
    (home / "alert-routes.yaml").write_text(ROUTES.replace("customers", "customer"))
    result = run("test", "--dry-run")
    assert result.exit_code == 1
    assert "alert-routes.yaml:8: unknown key 'customer'" in result.stderr


def test_what_is_wrong_is_shown_in_spite_of_a_broken_routes_file(home: Path) -> None:
    fire(Finding("stream_late", "acme", "page", "late", SystemClock().now()))
    (home / "alert-routes.yaml").write_text(ROUTES.replace("customers", "customer"))
    result = run("list", "--json")
    assert (result.exit_code, [each["kind"] for each in json.loads(result.stdout)]) == (0, ["stream_late"])
    assert "alert-routes.yaml:8: unknown key 'customer'" in result.stderr


def test_alerts_are_listed_with_who_was_told(inbox: HttpInbox) -> None:
    now = SystemClock().now()
    fire(Finding("stream_late", "acme", "page", "late", now), Finding("run_slow", "acme", None, "slow", now))
    assert paths(inbox) == ["/acme", "/chat"]
    [alert] = answer("list")
    assert (alert["kind"], alert["state"], alert["told_to"]) == ("stream_late", "firing", ["acme", "chat"])
    assert [each["kind"] for each in answer("list", "--all")] == ["stream_late", "run_slow"]
    assert answer("list", "--customer", "other") == []
    assert [each["title"] for each in answer("list", "--sent", "5")] == ["CRITICAL: acme: stream late"] * 2
    assert "acme/page" in run("list").stdout
    assert "CRITICAL: acme: stream late" in run("list", "--sent", "1").stdout


def test_a_silence_from_its_beginning_to_its_end(inbox: HttpInbox) -> None:
    silenced = run("silence", "--reason", "known since noon", "--customer", "acme", "--by", "ann", "--for", "90m")
    assert (silenced.exit_code, "unsilence 1" in silenced.stdout) == (0, True)
    late = Finding("stream_late", "acme", "page", "late", SystemClock().now())
    fire(late)
    assert paths(inbox) == []
    [alert] = answer("list")
    assert alert["held_by"] == "silence 1"
    [silence] = answer("silences")
    assert (silence["reason"], silence["by"], silence["customer"]) == ("known since noon", "ann", "acme")
    assert "known since noon" in run("silences").stdout
    assert run("unsilence", "1").exit_code == 0
    assert answer("silences") == []
    fire(late)
    assert paths(inbox) == ["/acme", "/chat"]


def test_without_a_routes_file_everything_goes_to_the_log(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    (home / "alert-routes.yaml").unlink()
    now = SystemClock().now()
    engine = open_alert_engine(load_settings())
    for minutes in (0, 3):
        observation = Observation([Finding("stream_late", "acme", "page", "late", now)], frozenset(FINDING_KINDS))
        engine.evaluate([observation], now + timedelta(minutes=minutes))
    engine.close()
    assert "CRITICAL: acme: stream late" in caplog.text
