"""Alert rules fire and resolve, name metrics that exist and lead to runbooks; runbooks name commands that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from clickstream_platform.model.findings import FINDING_KINDS, Severity
from clickstream_platform.observe import finding_rules
from clickstream_platform_tests.command_lines import parse
from clickstream_platform_tests.observe.families import series_names
from clickstream_platform_tests.shared_data import REPOSITORY

ALERTS, RUNBOOKS = REPOSITORY / "deploy" / "alerts", REPOSITORY / "docs" / "runbooks"
STANDARD = {"up"}
"""Metrics of Prometheus itself."""


def read(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ALERTS / name).read_text(encoding="utf-8")))


@cache
def rules() -> dict[str, dict[str, Any]]:
    """Return all alert rules by name."""
    files = sorted(ALERTS.glob("*.rules.yaml"))
    found = [rule for file in files for group in read(file.name)["groups"] for rule in group["rules"]]
    named = {rule["alert"]: rule for rule in found}
    assert len(named) == len(found), "two alerts of one name"
    return named


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool in the folder of the rules; skip where it is not installed."""
    command = shutil.which("promtool")
    if command is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    return subprocess.run([command, *arguments], cwd=ALERTS, capture_output=True, text=True, check=False, timeout=120)


def test_rules_are_valid() -> None:
    done = promtool("check", "rules", *(file.name for file in sorted(ALERTS.glob("*.rules.yaml"))))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["findings.tests.yaml", "platform.tests.yaml"])
def test_promtool_finds_every_alert_firing_and_over_when_it_should_be(name: str) -> None:
    done = promtool("test", "rules", name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_firing_and_resolved() -> None:
    fires: set[str] = set()
    ends: set[str] = set()
    for name in ("findings.tests.yaml", "platform.tests.yaml"):
        for case in read(name)["tests"]:
            fired = False
            for each in case["alert_rule_test"]:
                fires |= {each["alertname"]} if each["exp_alerts"] else set()
                ends |= {each["alertname"]} if fired and not each["exp_alerts"] else set()
                fired = fired or bool(each["exp_alerts"])
    assert fires == rules().keys()
    assert ends == rules().keys()


def test_generated_files_are_up_to_date() -> None:
    command = "python -m clickstream_platform.observe.finding_rules deploy/alerts"
    assert (ALERTS / finding_rules.RULES).read_text(encoding="utf-8") == finding_rules.render_rules(), command
    assert (ALERTS / finding_rules.TESTS).read_text(encoding="utf-8") == finding_rules.render_tests(), command


def test_every_rule_queries_metrics_that_exist() -> None:
    known = series_names() | STANDARD
    used = {name for rule in rules().values() for name in re.findall(r"\b(?:clickstream_\w+|up)\b", rule["expr"])}
    assert used - known == set()
    assert used > STANDARD


def test_every_rule_has_a_severity_and_a_runbook() -> None:
    for name, rule in rules().items():
        assert rule["labels"]["severity"] in set(Severity), name
        assert (REPOSITORY / rule["annotations"]["runbook"]).is_file(), name
        assert rule["annotations"]["summary"], name


# Runbooks


def runbooks() -> Iterator[Path]:
    yield from sorted(RUNBOOKS.glob("*.md"))


def test_every_finding_has_a_runbook_and_every_runbook_an_alert() -> None:
    named = {Path(rule["annotations"]["runbook"]).name for rule in rules().values()}
    assert {kind.runbook for kind in FINDING_KINDS.values()} <= named
    assert {file.name for file in runbooks()} == named


def test_every_runbook_says_what_it_means_where_to_look_and_what_to_do() -> None:
    headings = {
        file.name: re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)[1:] for file in runbooks()
    }
    assert {name: found for name, found in headings.items() if found != ["Look", "Do"]} == {}


def test_every_runbook_says_what_to_do_step_by_step() -> None:
    for file in runbooks():
        steps = file.read_text(encoding="utf-8").partition("\n## Do\n")[2].partition("\nSee [")[0]
        numbers = [int(number) for number in re.findall(r"^(\d+)\. ", steps, re.MULTILINE)]
        assert numbers == [*range(1, len(numbers) + 1)], file.name
        assert numbers, file.name


def test_every_link_of_a_runbook_leads_somewhere() -> None:
    for file in runbooks():
        for target in re.findall(r"\]\(([^)#]+)", file.read_text(encoding="utf-8")):
            assert (RUNBOOKS / target).is_file(), f"{file.name}: {target}"


def test_every_command_of_a_runbook_exists_with_its_options() -> None:
    found = 0
    for file in runbooks():
        text = " ".join(file.read_text(encoding="utf-8").split())
        for line in re.findall(r"`clickstream ([a-z][^`]*)`", text):
            given = {word for word in line.split() if re.fullmatch(r"--[a-z-]+", word)}
            assert given <= parse(line.split(), is_shortened=True).options, f"{file.name}: clickstream {line}"
            found += 1
    assert found > 40
