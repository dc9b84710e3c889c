"""`clickstream registry …` from the outside: arguments in, standard output, standard error and exit code out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from clickstream_platform.cli.registry import registry_app
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.documents import parse_snapshot
from clickstream_platform.registry.opening import open_registry

Run = Callable[..., Result]
Answer = Callable[..., Any]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Give the URL of a registry that does not exist yet."""
    return f"sqlite:///{tmp_path / 'home' / 'registry.db'}"


@pytest.fixture
def run(url: str) -> Run:
    """Run a command and give its result."""
    return lambda *arguments: CliRunner().invoke(registry_app, ["--registry-url", url, "--actor", "anna", *arguments])


@pytest.fixture
def answer(run: Run) -> Answer:
    """Run a command with `--json` that must succeed, and give what it answers."""

    def call(*arguments: str) -> Any:
        result = run(*arguments, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        return json.loads(result.stdout)

    return call


def _refusal(result: Result) -> str:
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def test_the_life_of_a_customer(run: Run, answer: Answer) -> None:
    added = answer("customers", "add", "Acme Inc.", "--no-auto-activate", "--schema-mode", "freeze", "--isolated")
    assert (added["slug"], added["display_name"], added["isolated"]) == ("acme_inc", "Acme Inc.", True)
    assert answer("customers", "show", "acme_inc") == added
    assert answer("customers", "list") == [added]

    changed = answer("customers", "set-policy", "acme_inc", "--auto-activate", "--column-limit", "300")
    assert changed["policy"] == {
        "auto_activate": True,
        "schema_mode": "freeze",
        "dedup_window_hours": 24,
        "column_limit": 300,
        "load_threshold_percent": 100,
        "retention_days": None,
        "events_per_second": None,
    }
    assert answer("customers", "remove", "acme_inc")["removed_at"] is not None
    assert answer("customers", "list") == []
    assert [each["slug"] for each in answer("customers", "list", "--removed")] == ["acme_inc"]
    assert answer("customers", "restore", "acme_inc")["removed_at"] is None
    assert "column_limit" in run("customers", "show", "acme_inc").stdout


def test_the_life_of_an_event(run: Run, answer: Answer) -> None:
    answer("customers", "add", "acme")
    added = answer("events", "add", "acme", "Order Completed", "--freshness-deadline-minutes", "90")
    assert (added["slug"], added["display_name"], added["state"]) == ("order_completed", "Order Completed", "active")
    assert added["freshness_deadline_minutes"] == 90

    assert answer("events", "pause", "acme", "Order Completed")["state"] == "paused"
    assert answer("events", "resume", "acme", "order_completed")["state"] == "active"
    assert answer("events", "remove", "acme", "order_completed")["state"] == "removed"
    assert answer("events", "list", "acme", "--state", "active", "--state", "paused") == []
    assert "remove" in _refusal(run("events", "activate", "acme", "order_completed"))
    assert answer("events", "add", "acme", "order_completed")["display_name"] == "Order Completed"
    assert [each["state"] for each in answer("events", "list", "acme")] == ["active"]


def test_a_discovered_event_is_activated(url: str, answer: Answer, clock: FixedClock) -> None:
    answer("customers", "add", "acme", "--no-auto-activate")
    with open_registry(url, clock) as service:
        service.record_seen("acme", "2026-11-22T09", {"a": ("A", 1)})
    assert [each["slug"] for each in answer("events", "list", "acme", "--state", "discovered")] == ["a"]
    assert answer("events", "activate", "acme", "a")["state"] == "active"


def test_an_event_whose_name_is_a_reserved_word_is_found_by_both(answer: Answer) -> None:
    answer("customers", "add", "acme")
    slug = answer("events", "add", "acme", "Order")["slug"]
    assert slug != "order"
    assert answer("events", "pause", "acme", "order")["slug"] == slug
    assert answer("events", "resume", "acme", slug)["slug"] == slug


def test_destinations(run: Run, answer: Answer) -> None:
    options = ("--kind", "redshift", "--setting", "host=h", "--setting", "options=a=b")
    added = answer("destinations", "add", "main", *options)
    assert added["settings"] == {"host": "h", "options": "a=b"}
    replaced = answer("destinations", "replace", "main", "--kind", "redshift", "--secret-reference", "env:MAIN_LOGIN")
    assert (replaced["settings"], replaced["secret_reference"], replaced["revision"]) == ({}, "env:MAIN_LOGIN", 2)
    assert answer("destinations", "show", "main") == replaced
    assert [each["name"] for each in answer("destinations", "list")] == ["default", "main"]
    answer("customers", "add", "acme")
    assert answer("customers", "set-destination", "acme", "main")["destination"] == "main"
    assert "hunter2" not in _refusal(run("destinations", "add", "x", "--kind", "duckdb", "--setting", "hunter2"))


def test_snapshot_and_audit(answer: Answer) -> None:
    answer("customers", "add", "acme")
    answer("events", "add", "acme", "A")
    snapshot = parse_snapshot(answer("snapshot"))
    assert [event.slug for event in snapshot.events] == ["a"]

    entries = answer("audit")
    assert [(entry["actor"], entry["action"]) for entry in entries] == [("anna", "event.add"), ("anna", "customer.add")]
    assert answer("audit", "--customer", "acme", "--before", str(entries[0]["number"]), "--limit", "1") == entries[1:]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("customers", "show", "nobody"), "'nobody'"),
        (("customers", "add", "acme"), "exists already"),
        (("customers", "add", "new", "--destination", "nowhere"), "'nowhere'"),
        (("customers", "set-policy", "acme", "--column-limit", "0"), "column_limit"),
        (("events", "list", "nobody"), "'nobody'"),
        (("events", "pause", "acme", "nothing"), "'acme/nothing'"),
        (("destinations", "show", "nowhere"), "'nowhere'"),
        (("customers", "show", "two\nlines\x1b[31m"), "two"),
    ],
)
def test_a_refusal_is_one_line_on_standard_error(run: Run, arguments: tuple[str, ...], part: str) -> None:
    assert run("customers", "add", "acme").exit_code == 0
    line = _refusal(run(*arguments))
    assert part in line
    assert "\x1b" not in line


@pytest.mark.parametrize("name", ["[bold]x[/bold]", "a\x1b[31mred", "\u202egnp.exe", "注文完了 🛒", "[/]", ":smile:"])
def test_tables_show_any_name_and_obey_none(run: Run, name: str) -> None:
    assert run("customers", "add", "acme").exit_code == 0
    assert run("events", "add", "acme", name).exit_code == 0
    shown = run("events", "list", "acme")
    assert shown.exit_code == 0
    assert name.translate({0x1B: "\\x1b", 0x202E: "\\u202e"}) in shown.stdout


def test_every_command_answers_in_json_and_in_a_table(run: Run, answer: Answer) -> None:
    for command in (("customers", "list"), ("destinations", "list"), ("snapshot",), ("audit",)):
        assert answer(*command) is not None
        table = run(*command)
        assert (table.exit_code, table.stderr) == (0, "")
        assert table.stdout.strip()
        assert not table.stdout.startswith(("{", "["))


def test_the_url_comes_from_the_settings_unless_given(url: str) -> None:
    environment = {"CLICKSTREAM_REGISTRY_URL": url}
    added = CliRunner().invoke(registry_app, ["customers", "add", "acme"], env=environment)
    assert added.exit_code == 0
    assert Path(url.removeprefix("sqlite:///")).is_file()
    logged = json.loads(CliRunner().invoke(registry_app, ["audit", "--json"], env=environment).stdout)
    assert logged[0]["actor"].startswith("cli:")
