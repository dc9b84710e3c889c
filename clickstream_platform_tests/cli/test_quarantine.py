"""`clickstream quarantine …` from the outside, from ingested lines to their way back."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from clickstream_platform import wiring
from clickstream_platform.cli.quarantine import quarantine_app
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.model.records import RejectReason
from clickstream_platform.settings import load_settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.quarantine.rejected import PAGES, put_quarantine, raw_key, rejected

BROKEN = b'{"type":"\xff\x1b[31m'
PAGE = b'{"type":"page","messageId":"m1","receivedAt":"2026-11-22T09:10:00Z"}'


@pytest.fixture(autouse=True)
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wiring:
    """Wire the commands to a home of their own, with rejected records of two stream-hours."""
    settings = load_settings({"CLICKSTREAM_HOME": str(tmp_path / "home")})
    made = Wiring(settings, FixedClock(datetime(2026, 11, 22, 14, tzinfo=UTC)))
    monkeypatch.setattr(wiring, "open_wiring", lambda: Wiring(made.settings, made.clock))
    huge = [rejected(6, RejectReason.TOO_LARGE, piece * 9_000, part=part) for part, piece in enumerate((b"x", b"y"))]
    put_quarantine(made.objects, [rejected(4, RejectReason.NOT_UTF8, BROKEN), *huge])
    put_quarantine(made.objects, [rejected(2, RejectReason.UNKNOWN_COLUMN, PAGE, stream=PAGES)], stream=PAGES)
    return made


def _run(*arguments: str, customer: str = "acme") -> Result:
    return CliRunner().invoke(quarantine_app, [*arguments, "--customer", customer])


def _answer(*arguments: str) -> Any:
    result = _run(*arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_list_counts_by_stream_hour_and_reason() -> None:
    assert _answer("list") == [
        {"event": "_unidentified", "hour": "2026-11-22T09", "reason": "not_utf8", "records": 1},
        {"event": "_unidentified", "hour": "2026-11-22T09", "reason": "too_large", "records": 1},
        {"event": "pages", "hour": "2026-11-22T09", "reason": "unknown_column", "records": 1},
    ]
    assert [each["event"] for each in _answer("list", "--event", "pages")] == ["pages"]
    assert _answer("list", "--hour", "2026-11-22T10") == []
    assert [each["reason"] for each in _answer("list", "--reason", "too_large")] == ["too_large"]
    shown = _run("list").stdout
    assert "_unidentified" in shown
    assert "not_utf8" in shown


def test_show_gives_object_line_reason_and_bytes() -> None:
    result = _run("show")
    assert result.exit_code == 0
    assert f"{raw_key(PAGES)} line 2" in result.stdout
    assert "acme/_unidentified 2026-11-22T09 not_utf8: because of not_utf8" in result.stdout
    assert r'{"type":"\xff\x1b[31m' in result.stdout
    assert "x" * 500 + "… (18,000 bytes)" in result.stdout
    assert PAGE.decode() in result.stdout


def test_show_as_json_has_every_byte() -> None:
    first, second, third = _answer("show")
    assert (first["event"], first["line"], first["record_base64"]) == ("_unidentified", 4, "eyJ0eXBlIjoi/xtbMzFt")
    assert second["record"] == "x" * 9_000 + "y" * 9_000
    assert (third["object"], third["record"]) == (raw_key(PAGES), PAGE.decode())


def test_show_raw_prints_the_exact_bytes_and_nothing_else() -> None:
    assert _run("show", "--raw").stdout_bytes == BROKEN + b"\n" + b"x" * 9_000 + b"y" * 9_000 + b"\n" + PAGE + b"\n"
    assert _run("show", "--raw", "--reason", "unknown_column").stdout_bytes == PAGE + b"\n"


@pytest.mark.parametrize(
    ("limit", "shown", "has_more"), [("1", 1, True), ("2", 2, True), ("3", 3, False), ("0", 3, False)]
)
def test_show_says_when_there_are_more(limit: str, shown: int, has_more: bool) -> None:
    result = _run("show", "--json", "--limit", limit)
    assert len(json.loads(result.stdout)) == shown
    assert ("--limit 0 shows all" in result.stderr) is has_more


def test_retry_writes_what_names_a_stream_and_says_so(opened: Wiring) -> None:
    nameless, pages = _answer("retry")
    assert (nameless["retried"], nameless["unidentified"], nameless["new_objects"]) == (0, 2, 0)
    assert (pages["retried"], pages["unidentified"], pages["new_objects"], pages["new_seals"]) == (1, 0, 1, 1)
    (key,) = [info.key for info in opened.objects.list_objects("raw/")]
    assert key.startswith("raw/hour=2026-11-22T09/customer=acme/event=pages/retry.")
    assert gzip.decompress(opened.objects.get(key)) == PAGE + b"\n"
    again = _run("retry")
    assert "Every record that names a stream (1) had been retried before; nothing was written." in again.stdout


def test_retry_in_words() -> None:
    assert "Raw again: 1 record of 1 stream-hour, in 1 new object. " in _run("retry").stdout
    assert "Nothing to retry: no record names a stream." in _run("retry", "--reason", "too_large").stdout


@pytest.mark.parametrize("command", ["list", "show", "retry"])
def test_names_outside_the_grammar_are_refused(command: str) -> None:
    assert "error: naming a customer: 'A B' is not a slug." in _run(command, customer="A B").stderr
    assert "'Order Completed' is not a slug" in _run(command, "--event", "Order Completed").stderr
    assert "error: reading an hour" in _run(command, "--hour", "9").stderr
    assert _run(command, "--reason", "made_up").exit_code == 2


def test_raw_and_json_exclude_each_other() -> None:
    result = _run("show", "--raw", "--json")
    assert result.exit_code == 1
    assert "--raw and --json exclude each other" in result.stderr


def test_a_customer_without_quarantine() -> None:
    assert "Nothing to show." in _run("list", customer="globex").stdout
    assert "Nothing to retry" in _run("retry", customer="globex").stdout
