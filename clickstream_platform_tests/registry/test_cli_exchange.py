"""`clickstream registry export` and `apply` from the outside."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform.cli import registry_exchange
from clickstream_platform.registry.exchange import Plan, from_yaml, plan_changes
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.command_line import CommandLine

DOCUMENT = """\
version: 1
customers:
  acme:
    display_name: Acme Inc.
    events:
      order_completed: {display_name: Order Completed, freshness_deadline_minutes: 90}
      page_seen: {state: paused}
"""


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """Give the commands of a registry that does not exist yet."""
    return CommandLine(f"sqlite:///{tmp_path / 'registry.db'}")


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Give the path of a document."""
    path = tmp_path / "registry.yaml"
    path.write_text(DOCUMENT)
    return str(path)


def test_the_plan_is_shown_and_asked_about(cli: CommandLine, file: str) -> None:
    declined = cli.run("apply", file, stdin="n\n")
    assert declined.exit_code == 1
    assert "Plan: 3 changes" in declined.stdout
    assert "display_name: Order Completed; state: active; freshness_deadline_minutes: 90" in declined.stdout
    assert "Make these changes?" in declined.stderr
    assert cli.answer("customers", "list") == []

    accepted = cli.run("apply", file, stdin="y\n")
    assert (accepted.exit_code, accepted.stdout.splitlines()[-1]) == (0, "Made 3 changes.")
    assert [event["state"] for event in cli.answer("events", "list", "acme")] == ["active", "paused"]
    assert {entry["actor"] for entry in cli.answer("audit")} == {"anna"}

    again = cli.run("apply", file)
    assert again.exit_code == 0
    assert again.stdout.splitlines() == ["Nothing to change.", "Left alone, as the document does not name them: 1."]


def test_plan_only_changes_nothing_and_says_so_by_its_exit_code(cli: CommandLine, file: str) -> None:
    plan = cli.answer("apply", file, "--plan-only", code=2)
    assert plan["applied"] is False
    assert [(change["action"], change["name"]) for change in plan["changes"]] == [
        ("add", "acme"),
        ("add", "order_completed"),
        ("add", "page_seen"),
    ]
    assert cli.answer("customers", "list") == []
    assert cli.answer("apply", file, "--yes")["applied"] is True
    assert cli.answer("apply", file, "--plan-only")["changes"] == []


def test_a_change_is_shown_as_before_and_after(cli: CommandLine, file: str) -> None:
    cli.answer("apply", file, "--yes")
    text = "version: 1\ncustomers: {acme: {display_name: Acme AG, policy: {retention_days: 30}, events: {}}}"
    shown = cli.run("apply", "-", "--plan-only", "--prune", stdin=text)
    assert shown.exit_code == 2
    assert "display_name: Acme Inc. -> Acme AG; policy.retention_days: none -> 30" in shown.stdout
    assert "state: active -> removed" in shown.stdout


def test_export_and_apply_carry_a_registry_over(cli: CommandLine, file: str, tmp_path: Path) -> None:
    cli.answer("apply", file, "--yes")
    key = cli.answer("write-keys", "add", "acme", "web")
    target = tmp_path / "export.yaml"
    target.write_text("an older one, for all to read, and longer than what follows" * 100)
    assert cli.run("export", str(target)).exit_code == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert key["key"] not in target.read_text()

    other = CommandLine(f"sqlite:///{tmp_path / 'other.db'}")
    assert other.run("apply", str(target), "--yes").exit_code == 0
    assert other.run("export").stdout == target.read_text()
    assert other.answer("export") == from_yaml(target.read_bytes())
    assert other.run("apply", "-", "--yes", stdin=json.dumps(cli.answer("export"))).exit_code == 0


def test_the_hash_of_a_write_key_is_not_shown(cli: CommandLine, file: str, tmp_path: Path) -> None:
    cli.answer("apply", file, "--yes")
    cli.answer("write-keys", "add", "acme", "web")
    exported = cli.answer("export")
    (key,) = exported["customers"]["acme"]["write_keys"].values()
    other = CommandLine(f"sqlite:///{tmp_path / 'other.db'}")
    shown = other.run("apply", "-", "--plan-only", stdin=json.dumps(exported)).stdout
    assert key["hint"] in shown
    assert key["hash"] not in shown
    assert key["hash"] not in json.dumps(other.answer("apply", "-", "--yes", stdin=json.dumps(exported)))
    assert other.answer("export") == exported


def test_faults_have_a_line_each(cli: CommandLine) -> None:
    result = cli.run("apply", "-", "--yes", stdin="version: 3\ncustomers:\n  acme: {\x07}\n")
    assert (result.exit_code, result.stdout) == (1, "")
    result = cli.run("apply", "-", "--yes", stdin='version: 3\ncustomers:\n  acme: {"a\\e[31m": 1}\n  A: {}\n')
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert [line.partition(": ")[2].partition(":")[0] for line in lines] == ["line 1", "line 3", "line 4"]
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("apply", "/nowhere/file.yaml"), "No such file or directory"),
        (("apply", "-"), "nobody can be asked"),
        (("export", "/nowhere/file.yaml"), "No such file or directory"),
    ],
)
def test_files_that_cannot_be(cli: CommandLine, arguments: tuple[str, ...], part: str) -> None:
    assert part in cli.refusal(*arguments)


def test_a_registry_that_moves_on_while_a_person_thinks(
    cli: CommandLine, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def think(*_: Any, **__: Any) -> None:
        cli.answer("customers", "add", "unrelated")

    monkeypatch.setattr("typer.confirm", think)
    assert cli.run("apply", file).exit_code == 0, "the plan is still the same"
    assert [customer["slug"] for customer in cli.answer("customers", "list")] == ["acme", "unrelated"]


def test_a_plan_that_is_no_longer_what_was_seen_is_refused(
    cli: CommandLine, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.confirm", lambda *_, **__: cli.answer("customers", "add", "acme"))
    result = cli.run("apply", file)
    assert result.exit_code == 1
    assert "somebody changed it since the plan was made" in result.stderr
    assert cli.answer("events", "list", "acme") == []


def test_a_busy_registry_is_planned_again_once(cli: CommandLine, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Plan] = []

    def plan(service: RegistryService, document: dict[str, Any], *, prune: bool) -> Plan:
        made.append(plan_changes(service, document, prune=prune))
        service.add_customer(f"arriving_{len(made)}")
        return made[-1]

    monkeypatch.setattr(registry_exchange, "plan_changes", plan)
    assert cli.run("apply", file, "--yes").exit_code == 1
    assert len(made) == 2
