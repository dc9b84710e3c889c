"""`clickstream registry contracts …`, and `update` and `sample` of events and customers, from the outside."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.registry.opening import open_registry
from clickstream_platform_tests.registry.command_line import CommandLine

SCHEMA = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}


@pytest.fixture
def cli(registry_url: str) -> CommandLine:
    """Give the commands of a registry with one event."""
    commands = CommandLine(registry_url)
    commands.answer("customers", "add", "acme")
    commands.answer("events", "add", "acme", "Order Completed")
    return commands


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Give the path of a JSON Schema, written in YAML."""
    path = tmp_path / "schema.yaml"
    path.write_text("type: object\nproperties: {price: {type: number}}\nrequired: [price]\n")
    return str(path)


def test_the_life_of_a_contract(cli: CommandLine, file: str) -> None:
    first = cli.answer("contracts", "add", "acme", "Order Completed", file, "--mode", "freeze", "--note", "first")
    assert (first["version"], first["schema"], first["note"], first["created_by"]) == (1, SCHEMA, "first", "anna")
    options = ("--mode", "reject", "--no-activate")
    second = cli.answer("contracts", "add", "acme", "order_completed", "-", *options, stdin=json.dumps(SCHEMA))
    assert cli.answer("contracts", "list", "acme", "order_completed") == [second, first]
    assert cli.answer("contracts", "show", "acme", "order_completed") == first
    assert cli.answer("contracts", "show", "acme", "order_completed", "2") == second
    shown = cli.run("contracts", "show", "acme", "order_completed", "2").stdout
    assert "Contract acme/order_completed, version 2" in shown
    assert '"price"' in shown

    assert cli.answer("contracts", "activate", "acme", "order_completed", "2")["contract_version"] == 2
    assert "in force" in cli.run("contracts", "list", "acme", "order_completed").stdout
    assert cli.answer("contracts", "off", "acme", "order_completed")["contract_version"] is None
    assert "none is in force" in cli.refusal("contracts", "show", "acme", "order_completed")


@pytest.mark.parametrize(
    ("arguments", "stdin", "part"),
    [
        (("contracts", "add", "acme", "order_completed", "-", "--mode", "reject"), "[]", "a JSON Schema is a mapping"),
        (
            ("contracts", "add", "acme", "order_completed", "-", "--mode", "reject"),
            "a: 1\na: 2",
            "line 2: a: it is there",
        ),
        (("contracts", "add", "acme", "nothing", "-", "--mode", "reject"), "{}", "'acme/nothing'"),
        (("contracts", "add", "acme", "order_completed", "/nowhere", "--mode", "reject"), "", "No such file"),
        (("contracts", "activate", "acme", "order_completed", "7"), "", "no version 7"),
        (("contracts", "show", "acme", "order_completed", "7"), "", "no version 7"),
        (("contracts", "dry-run", "acme", "order_completed"), "", "none is in force"),
        (("events", "update", "acme", "nothing"), "", "'acme/nothing'"),
        (("events", "sample", "acme", "nothing"), "", "'acme/nothing'"),
        (("customers", "update", "acme", "--load-threshold-percent", "101"), "", "0 to 100"),
    ],
)
def test_refusals(cli: CommandLine, arguments: tuple[str, ...], stdin: str, part: str) -> None:
    assert part in cli.refusal(*arguments, stdin=stdin)


def test_a_contract_is_tried_out_and_inferred(
    cli: CommandLine, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = Hour.of(SystemClock().now())
    folder = tmp_path / "objects" / "raw" / f"hour={hour}" / "customer=acme" / "event=order_completed"
    folder.mkdir(parents=True)
    records = [
        {"type": "track", "event": "Order Completed", "messageId": str(number), "receivedAt": hour.start.isoformat()}
        | {"properties": {"price": price}}
        for number, price in enumerate([1, 2.5, "a secret"])
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "s-1-3.ndjson.gz").write_bytes(gzip.compress(lines.encode()))
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))

    dry = cli.answer("contracts", "dry-run", "acme", "Order Completed", file)
    assert (dry["records"], dry["rejected"], dry["is_complete"]) == (3, 1, True)
    assert "a secret" not in json.dumps(dry)
    shown = cli.run("contracts", "dry-run", "acme", "order_completed", file, "--mode", "freeze").stdout
    assert "freeze" in shown
    assert "acme/order_completed" in shown
    assert "Broken rules" in shown
    assert cli.answer("contracts", "list", "acme", "order_completed") == []

    inferred = cli.run("contracts", "infer", "acme", "order_completed", "--hours", "2")
    assert set(json.loads(inferred.stdout)["properties"]) == {"price"}
    cli.answer("contracts", "add", "acme", "order_completed", "-", "--mode", "reject", stdin=inferred.stdout)
    assert cli.answer("contracts", "dry-run", "acme", "order_completed")["rejected"] == 0


def test_customers_and_events_are_updated(cli: CommandLine) -> None:
    options = ("--display-name", "注文 AG", "--isolated", "--load-threshold-percent", "5", "--retention-days", "30")
    customer = cli.answer("customers", "update", "acme", *options)
    assert (customer["display_name"], customer["isolated"], customer["revision"]) == ("注文 AG", True, 2)
    assert (customer["policy"]["load_threshold_percent"], customer["policy"]["retention_days"]) == (5, 30)
    assert cli.answer("customers", "update", "acme", "--retention-days", "0")["policy"]["retention_days"] is None
    assert cli.answer("customers", "update", "acme")["revision"] == 3, "nothing was given"
    assert cli.answer("customers", "set-policy", "acme", "--retention-days", "7")["policy"]["retention_days"] == 7

    changed = cli.answer("events", "update", "acme", "Order Completed", "--freshness-deadline-minutes", "45")
    assert (changed["display_name"], changed["freshness_deadline_minutes"]) == ("Order Completed", 45)
    renamed = cli.answer("events", "update", "acme", "order_completed", "--display-name", "Orders")
    assert (renamed["display_name"], renamed["freshness_deadline_minutes"]) == ("Orders", 45)
    unwatched = cli.answer("events", "update", "acme", "order_completed", "--freshness-deadline-minutes", "0")
    assert unwatched["freshness_deadline_minutes"] is None


def test_a_sample_is_shown(cli: CommandLine) -> None:
    assert cli.answer("events", "sample", "acme", "order_completed") is None
    assert "No sample yet" in cli.run("events", "sample", "acme", "order_completed").stdout
    with open_registry(cli.url, SystemClock()) as registry:
        registry.pause_event("acme", "order_completed")
        sample = {"type": "track", "properties": {"price": "number"}}
        seen = {"order_completed": ("Order Completed", 1_234)}
        registry.record_seen("acme", "2026-11-22T09", seen, samples={"order_completed": sample})
    assert cli.answer("events", "sample", "acme", "Order Completed")["sample"] == sample
    assert "properties" in cli.run("events", "sample", "acme", "order_completed").stdout
    listed = cli.run("events", "list", "acme").stdout
    assert "waiting" in listed
    assert "1,234" in listed
