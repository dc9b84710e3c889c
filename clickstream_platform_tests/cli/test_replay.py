"""`clickstream replay` from the outside, on the embedded defaults: raw hours are loaded again, no row twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
from typer.testing import CliRunner, Result

from clickstream_platform.cli.load import load_command
from clickstream_platform.cli.replay import replay_command
from clickstream_platform.errors import WarehouseUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline import opening
from clickstream_platform.pipeline.customer_hour import CustomerHours
from clickstream_platform.settings import load_settings
from clickstream_platform.wiring import Wiring

NINE, TEN = "2026-11-22T09", "2026-11-22T10"


@pytest.fixture(autouse=True)
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wiring:
    """Wire the commands to a home of their own in which two hours are loaded; eleven o'clock is still open."""
    settings = load_settings({"CLICKSTREAM_HOME": str(tmp_path / "home")})
    made = Wiring(settings, FixedClock(datetime(2026, 11, 22, 11, 30, tzinfo=UTC)))
    monkeypatch.setattr(opening, "open_wiring", lambda *_: Wiring(made.settings, made.clock))
    made.registry_service.add_customer("shop")
    for hour, ids in ((NINE, range(3)), (TEN, range(3, 5)), ("2026-11-22T11", range(5, 6))):
        lines = [
            {
                "type": "track",
                "event": "Sale",
                "messageId": f"m{n}",
                "receivedAt": f"{hour}:30Z",
                "properties": {"n": n},
            }
            for n in ids
        ]
        key = RawObjectKey(Hour.parse(hour), Stream("shop", "sale"), "s", "1", "1")
        made.objects.put(str(key).removesuffix(".gz"), "\n".join(map(json.dumps, lines)).encode())
    for hour in (NINE, TEN):
        assert _run("load", "--customer", "shop", "--hour", hour).exit_code == 0
    return made


def _run(command: str, *arguments: str) -> Result:
    app = typer.Typer()
    app.command("load")(load_command)
    app.command("replay")(replay_command)
    return CliRunner().invoke(app, [command, *arguments])


def _answer(*arguments: str) -> list[dict[str, Any]]:
    result = _run("replay", *arguments, "--json")
    assert result.exit_code == 0, result.output
    answer: list[dict[str, Any]] = json.loads(result.stdout)
    return answer


def _rows(opened: Wiring, sql: str = "SELECT id, n FROM shop.sale ORDER BY ALL") -> list[tuple[Any, ...]]:
    with duckdb.connect(opened.settings.duckdb) as connection:
        return connection.execute(sql).fetchall()


def test_hours_are_made_again_and_the_open_one_is_not_touched(opened: Wiring) -> None:
    before = _rows(opened)
    assert len(before) == 5
    _rows(opened, "DELETE FROM shop.sale WHERE id = 'm1'")
    _rows(opened, "UPDATE shop.sale SET n = 77 WHERE id = 'm4'")
    nine, ten, eleven = _answer("--from-raw", NINE)
    assert (nine["customer"], nine["hour"], nine["event"], nine["status"]) == ("shop", NINE, "sale", "loaded")
    assert (nine["raw"], nine["loaded"], nine["duplicates"], nine["rejected"], nine["discarded"]) == (3, 3, 0, 0, 0)
    assert (ten["hour"], ten["status"], ten["loaded"]) == (TEN, "loaded", 2)
    assert (eleven["hour"], eleven["status"], eleven["raw"]) == ("2026-11-22T11", "skipped", None)
    assert "still open" in eleven["note"]
    assert _rows(opened) == before
    assert _rows(opened, "SELECT DISTINCT run_id FROM shop._loads") == [("replay",)]


def test_a_range_a_customer_and_an_event(opened: Wiring) -> None:
    assert [each["hour"] for each in _answer("--from-raw", NINE, "--until", NINE)] == [NINE]
    assert [each["hour"] for each in _answer("--from-raw", TEN, "--until", TEN, "--customer", "shop")] == [TEN]
    assert _answer("--from-raw", NINE, "--event", "view") == []
    assert len(_rows(opened, "SELECT 1 FROM shop._loads WHERE run_id = 'replay'")) == 2
    shown = _run("replay", "--from-raw", "2026-10-01T00", "--until", "2026-10-02T00")
    assert (shown.exit_code, "Nothing to show" in shown.stdout) == (0, True)


def test_expired_hours_keep_their_rows(opened: Wiring) -> None:
    for item in list(opened.objects.list_objects(f"raw/hour={NINE}/")):
        opened.objects.delete(item.key)
    shown = _run("replay", "--from-raw", NINE, "--until", TEN, "--customer", "shop")
    assert shown.exit_code == 0
    assert "its raw objects are gone; its rows stay as they are" in shown.stdout
    assert len(_rows(opened)) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give either --from-kinesis TIME or --from-raw HOUR"),
        (("--from-raw", NINE, "--from-kinesis", "2026-11-22T09:30"), "Give either"),
        (("--from-raw", "yesterday"), "is not an hour"),
        (("--from-raw", TEN, "--until", NINE), "Give the earlier hour to --from-raw"),
        (("--from-raw", NINE, "--customer", "nobody"), "nobody"),
        (("--from-raw", NINE, "--kinesis-stream", "events"), "--kinesis-stream is for --from-kinesis"),
        (("--from-kinesis", "2026-11-22T09:30", "--customer", "shop"), "are for --from-raw"),
        (("--from-kinesis", "soon"), "is no time"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_touched(
    opened: Wiring, arguments: tuple[str, ...], message: str
) -> None:
    result = _run("replay", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert _rows(opened, "SELECT DISTINCT run_id FROM shop._loads") == [("command-line",)]


def test_what_was_done_before_an_error_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    process = CustomerHours.process_many

    def fail(self: CustomerHours, orders: Any, *rest: Any) -> Any:
        (order,) = orders
        if str(order.hour) == TEN:
            raise WarehouseUnavailableError("loading", cause="no answer", remedy="Try again.")
        yield from process(self, [order], *rest)

    monkeypatch.setattr(CustomerHours, "process_many", fail)
    result = _run("replay", "--from-raw", NINE, "--json")
    assert result.exit_code == 1
    assert [each["hour"] for each in json.loads(result.stdout)] == [NINE]
    assert "no answer" in result.stderr
