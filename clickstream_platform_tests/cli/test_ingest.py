"""`clickstream ingest` from the outside: arguments and standard input in, objects, output and exit code out."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from clickstream_platform import wiring
from clickstream_platform.cli.ingest import ingest_command
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.settings import load_settings
from clickstream_platform.wiring import Wiring

PAGE = b'{"type":"page","messageId":"m1"}\n'


@pytest.fixture(autouse=True)
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wiring:
    """Wire the command to a home of its own and to a clock that stands still."""
    settings = load_settings(
        {"CLICKSTREAM_HOME": str(tmp_path / "home"), "CLICKSTREAM_WORK_DIR": str(tmp_path / "work")}
    )
    made = Wiring(settings, FixedClock(datetime(2026, 11, 22, 14, 45, tzinfo=UTC)))
    monkeypatch.setattr(wiring, "open_wiring", lambda: Wiring(made.settings, made.clock))
    return made


def _run(*arguments: str | Path, input_bytes: bytes | None = None) -> Result:
    app = typer.Typer()
    app.command("ingest")(ingest_command)
    return CliRunner().invoke(app, [str(each) for each in arguments], input=input_bytes)


def _file(folder: Path, data: bytes, name: str = "a.ndjson") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _keys(opened: Wiring, prefix: str) -> list[str]:
    return [info.key for info in opened.objects.list_objects(prefix)]


def test_a_file_is_ingested_and_its_customer_made_known(tmp_path: Path, opened: Wiring) -> None:
    result = _run(_file(tmp_path, PAGE), "--customer", "acme", "--hour", "2026-11-22T09")
    assert result.exit_code == 0
    assert "a.ndjson: 1 record of 1 stream in 1 hour, 1 new object, 1 new seal." in result.stdout
    assert result.stderr == "notice: customer 'acme' was unknown and is now in the registry.\n"
    assert [customer.slug for customer in opened.registry.list_customers()] == ["acme"]
    assert [key.rpartition("/")[0] for key in _keys(opened, "raw/")] == [
        "raw/hour=2026-11-22T09/customer=acme/event=pages"
    ]
    assert len(_keys(opened, "seals/hour=2026-11-22T09/")) == 1
    again = _run(_file(tmp_path, PAGE), "--customer", "acme", "--hour", "2026-11-22T09")
    assert (again.exit_code, again.stderr) == (0, "")
    assert "a.ndjson: already ingested, nothing new was written (1 record of 1 stream in 1 hour)." in again.stdout
    assert list((tmp_path / "work").iterdir()) == []


def test_standard_input_goes_to_the_current_hour(opened: Wiring) -> None:
    result = _run("-", "--customer", "acme", "--json", input_bytes=gzip.compress(PAGE * 2))
    summary = json.loads(result.stdout)
    assert (summary["default_hour"], summary["records"]) == ("2026-11-22T14", 2)
    assert summary["sources"][0]["source"] == "standard input"
    (key,) = _keys(opened, "raw/")
    assert gzip.decompress(opened.objects.get(key)) == PAGE.replace(b"{", b'{"receivedAt":"2026-11-22T14:00:00Z",') * 2


def test_the_json_summary(tmp_path: Path) -> None:
    files = (
        _file(tmp_path, PAGE + b"oops\n"),
        _file(tmp_path, gzip.compress(PAGE)[:-5], "b.gz"),
        _file(tmp_path, b"", "c"),
    )
    result = _run(*files, "--customer", "acme", "--json", "--hour", "2026-11-22T09")
    summary = json.loads(result.stdout)
    assert (summary["customer"], summary["records"], summary["already_ingested"]) == ("acme", 4, False)
    first, second, third = summary["sources"]
    assert (first["lines"], first["unidentified"], first["damage"]) == (2, 1, None)
    assert [(each["event"], each["hour"], each["records"]) for each in first["stream_hours"]] == [
        ("_unidentified", "2026-11-22T09", 1),
        ("pages", "2026-11-22T09", 1),
    ]
    assert (second["lines"], second["damage_markers"]) == (1, 1)
    assert (second["damage"]["reason"], second["damage"]["line"]) == ("gzip_truncated", 2)
    assert (third["records"], third["stream_hours"]) == (0, [])


def test_damage_and_nameless_lines_are_told_but_do_not_fail(tmp_path: Path) -> None:
    damaged = _file(tmp_path, gzip.compress(PAGE * 99)[:-9], "a.gz")
    result = _run(damaged, _file(tmp_path, b"oops\n", "b"), "--customer", "acme", "--hour", "2026-11-22T09")
    assert result.exit_code == 0
    _, warning, notice = result.stderr.splitlines()
    assert warning.startswith("warning: a.gz is damaged (gzip_truncated): ")
    assert "is kept in acme/_unidentified 2026-11-22T09." in warning
    assert notice.startswith("notice: 1 of 1 lines of b name no stream ")


def test_the_table_shows_the_largest_stream_hours_only(tmp_path: Path) -> None:
    names = [f"event {number}" for number in range(60)]
    content = [f'{{"type":"track","event":"{name}"}}\n' * (2 + (index == 7)) for index, name in enumerate(names)]
    result = _run(_file(tmp_path, "".join(content).encode()), "--customer", "acme")
    assert "and 20 smaller stream-hours; --json lists all of them." in result.stdout
    assert "event_7" in result.stdout
    assert "60 streams" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.ndjson", "--customer", "acme"), "error: reading 'missing.ndjson': "),
        (
            ("-", "--customer", "Acme Inc"),
            "error: naming a customer: 'Acme Inc' is not a slug. Perhaps you mean 'acme_inc'.",
        ),
        (("-", "--customer", "acme", "--hour", "9am"), "error: reading an hour: '9am' is not an hour. "),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(
    arguments: tuple[str, ...], message: str, tmp_path: Path, opened: Wiring
) -> None:
    good = _file(tmp_path, PAGE)
    result = _run(good, *arguments, input_bytes=PAGE)
    assert result.exit_code == 1
    assert result.stderr.startswith(message)
    assert _keys(opened, "") == []


def test_a_removed_customer_gets_nothing(tmp_path: Path, opened: Wiring) -> None:
    opened.registry_service.add_customer("acme")
    opened.registry_service.remove_customer("acme")
    result = _run(_file(tmp_path, PAGE), "--customer", "acme")
    assert result.exit_code == 1
    assert "the customer was removed" in result.stderr
    assert _keys(opened, "") == []
