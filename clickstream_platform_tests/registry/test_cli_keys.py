"""`clickstream registry write-keys …` and `tokens …` from the outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.registry.opening import open_registry
from clickstream_platform_tests.registry.command_line import CommandLine


@pytest.fixture
def cli(registry_url: str) -> CommandLine:
    """Give the commands of a registry with one customer."""
    commands = CommandLine(registry_url)
    commands.answer("customers", "add", "acme")
    return commands


def test_the_life_of_a_write_key(cli: CommandLine) -> None:
    added = cli.answer("write-keys", "add", "acme", "web [bold]")
    text = added.pop("key")
    assert added["hint"] == text[: len(added["hint"])]
    assert "hash" not in added
    assert cli.answer("write-keys", "list", "acme") == [added]
    assert "web [bold]" in cli.run("write-keys", "list", "acme").stdout

    rotated = cli.answer("write-keys", "rotate", "acme", added["id"], "--grace-hours", "2")
    assert rotated["key"] != text
    old, new = sorted(cli.answer("write-keys", "list", "acme"), key=lambda key: key["id"] == rotated["id"])
    left = datetime.fromisoformat(old["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=1) < left <= timedelta(hours=2)
    assert (new["name"], new["expires_at"]) == ("web [bold]", None)

    assert cli.answer("write-keys", "revoke", "acme", old["id"])["revoked_at"] is not None
    assert cli.answer("write-keys", "list", "acme") == [new]
    assert len(cli.answer("write-keys", "list", "acme", "--revoked")) == 2


def test_a_secret_is_alone_on_standard_output_when_quiet(cli: CommandLine) -> None:
    added = cli.run("write-keys", "add", "acme", "web", "--quiet")
    assert (added.exit_code, added.stderr) == (0, "")
    assert len(added.stdout) == 33
    assert added.stdout.endswith("\n")
    (key,) = cli.answer("write-keys", "list", "acme")
    assert len(cli.run("write-keys", "rotate", "acme", key["id"], "--quiet").stdout.strip()) == 32

    token = cli.run("tokens", "add", "ci", "--scope", "operator", "--quiet")
    assert token.stderr == ""
    with open_registry(cli.url, SystemClock()) as registry:
        assert registry.authenticate(token.stdout.strip()).name == "ci"
    assert "exclude each other" in cli.run("tokens", "add", "x", "--scope", "admin", "--quiet", "--json").stderr


def test_a_secret_is_said_to_be_shown_only_now(cli: CommandLine) -> None:
    added = cli.run("write-keys", "add", "acme", "web")
    assert "shown only now" in added.stderr
    (key,) = cli.answer("write-keys", "list", "acme")
    assert f"Write key {key['id']}" in added.stdout
    shown = cli.run("write-keys", "revoke", "acme", key["id"])
    assert f"Write key {key['id']}" in shown.stdout


def test_the_life_of_a_token(cli: CommandLine) -> None:
    added = cli.answer(
        "tokens", "add", "acme's own", "--scope", "customer_read", "--customer", "acme", "--expires-in", "2w"
    )
    text = added.pop("token")
    assert text.startswith("cst_")
    left = datetime.fromisoformat(added["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=13) < left <= timedelta(days=14)
    assert cli.answer("tokens", "list") == [added]
    assert "customer_read" in cli.run("tokens", "list").stdout

    assert cli.answer("tokens", "revoke", added["id"])["revoked_at"] is not None
    assert cli.answer("tokens", "list") == []
    assert [token["id"] for token in cli.answer("tokens", "list", "--revoked")] == [added["id"]]
    assert "cst_" not in cli.run("audit", "--json").stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("write-keys", "list", "nobody"), "'nobody'"),
        (("write-keys", "add", "acme", " "), "the display name is empty"),
        (("write-keys", "add", "acme", "web", "--expires-in", "soon"), "12h, 30d or 8w"),
        (("write-keys", "add", "acme", "web", "--expires-in", "0h"), "12h, 30d or 8w"),
        (("write-keys", "rotate", "acme", "wk_none"), "'wk_none'"),
        (("write-keys", "revoke", "acme", "wk_none"), "'wk_none'"),
        (("tokens", "add", "x", "--scope", "customer_read"), "it is for one customer"),
        (("tokens", "add", "x", "--scope", "admin", "--customer", "acme"), "it is for all customers"),
        (("tokens", "revoke", "tk_none"), "'tk_none'"),
    ],
)
def test_refusals(cli: CommandLine, arguments: tuple[str, ...], part: str) -> None:
    assert part in cli.refusal(*arguments)
