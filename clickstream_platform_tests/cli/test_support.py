"""How commands answer: errors as one line, JSON, tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
import typer

from clickstream_platform.cli.support import handle_errors, print_fields, print_json, print_table, printable
from clickstream_platform.errors import LoadError


@dataclass
class _Point:
    at: datetime
    place: Path


def test_our_errors_become_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    @handle_errors
    def fail() -> None:
        raise LoadError("loading", where="acme/a", cause="first\n  second \x1b[31m", remedy="Look.")

    with pytest.raises(typer.Exit) as stop:
        fail()
    assert stop.value.exit_code == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: loading for acme/a: first second \\x1b[31m. Look.\n"


def test_mistakes_of_ours_are_not_hidden() -> None:
    @handle_errors
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_json_has_times_paths_and_dataclasses(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"point": _Point(datetime(2026, 11, 22, 9, tzinfo=UTC), Path("a/b")), "name": "注文"})
    out = capsys.readouterr().out
    assert "注文" in out
    assert json.loads(out) == {"point": {"at": "2026-11-22T09:00:00+00:00", "place": "a/b"}, "name": "注文"}
    with pytest.raises(TypeError, match="set"):
        print_json({"a": {1}})


@pytest.mark.parametrize(("encoding", "name"), [("utf-8", "half \ud800"), ("ascii", "注文")])
def test_json_is_printed_whatever_the_terminal_can_show(
    monkeypatch: pytest.MonkeyPatch, encoding: str, name: str
) -> None:
    raw = BytesIO()
    monkeypatch.setattr("sys.stdout", TextIOWrapper(raw, encoding=encoding, write_through=True))
    print_json({"name": name})
    assert json.loads(raw.getvalue()) == {"name": name}


def test_a_table_cuts_nothing_off(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 150
    at = datetime(2026, 11, 22, 9, tzinfo=timezone(timedelta(hours=2)))
    print_table(("name", "count", "is", "at"), [(long, 1_234_567, True, at), ("b", None, False, None)], title="[b]T")
    out = capsys.readouterr().out
    for part in (long, "1,234,567", "yes", "no", "2026-11-22 07:00:00Z", "[b]T"):
        assert part in out


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name",), [])
    assert "Nothing to show." in capsys.readouterr().out


def test_fields_show_what_is_nested(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({"slug": "acme", "policy": {"limit": 5}})
    assert "policy.limit" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["plain", "注文 🛒", "family 👨\u200d👩", "é"])
def test_harmless_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text
