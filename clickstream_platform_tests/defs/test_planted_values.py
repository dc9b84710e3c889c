"""No secret and no personal value of a record gets into any log: planted ones, through real loads that go wrong.

The loads are real: folder, SQLite, DuckDB, Dagster's sensors and runs, the project's dagster.yaml. What is searched:
the lines that reached the index, this process's console, the buffer, and everything that Dagster keeps.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from clickstream_platform.defs.driver import DriveReport, drive, prepare_home
from clickstream_platform.gateways.secrets import resolve_secret
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream
from clickstream_platform.observe.logs.starting import LogOptions, running_logs, start_logging
from clickstream_platform.pipeline.logs import open_index, remember_secrets
from clickstream_platform.wiring import Wiring, open_wiring
from clickstream_platform_tests.collector.running import KEY, MemorySink, running_collector
from clickstream_platform_tests.log_index_stand_in.server import LogIndexStandIn, running_log_index

LOCATION = "clickstream_platform"
EMAIL, NAME, PHONE, CARD = "jane.planted@example.com", "Jane Plantedson", "+44 20 7946 0958", "4111 1111 1111 1111"
PLAIN, ADDRESS, NUMBER = "plantedplainword", "81.2.69.142", 31415926535
SECRET, AWS_SECRET = "a planted secret of words", "plantedAwsSecret0/plantedAwsSecret0/plant"
PLANTED = (EMAIL, "jane.planted", NAME, PHONE, CARD, PLAIN, ADDRESS, str(NUMBER), SECRET, AWS_SECRET, KEY)
PERSON = {"email": EMAIL, "name": NAME, "phone": PHONE, "card": CARD, "word": PLAIN, "ip": ADDRESS, "number": NUMBER}


@pytest.fixture
def index() -> Iterator[LogIndexStandIn]:
    with running_log_index() as stand_in:
        yield stand_in


@pytest.fixture
def wiring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: LogIndexStandIn) -> Iterator[Wiring]:
    for name, value in {"HOME": str(tmp_path), "LOG_INDEX_URL": index.url}.items():
        monkeypatch.setenv(f"CLICKSTREAM_{name}", value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", AWS_SECRET)
    monkeypatch.setenv("PLANTED", SECRET)
    with open_wiring() as opened:
        opened.registry.add_customer("acme")
        yield opened


def put(wiring: Wiring, event: str, hour: Hour, lines: list[object], number: int = 1, *, raw: bytes = b"") -> str:
    """Put a raw object of records (a text is a line as it is), or of these bytes."""
    key = str(RawObjectKey(hour, Stream("acme", event), "shard1", str(number), str(number)))
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    wiring.objects.put(key, raw or gzip.compress("".join(f"{text}\n" for text in texts).encode()))
    return key


def track(event: str, message: str, **properties: object) -> dict[str, object]:
    return {"type": "track", "event": event, "messageId": message, "userId": EMAIL, "properties": properties}


def drive_hours(wiring: Wiring) -> DriveReport:
    return drive(prepare_home(wiring.settings.home / "dagster"), LOCATION)


def start_with_console(wiring: Wiring) -> io.StringIO:
    """Start logging as a service does, to the index and to a console that is kept."""
    console = io.StringIO()
    remember_secrets(wiring.settings)
    options = LogOptions("run", level="DEBUG", folder=wiring.settings.home / "logs")
    start_logging(options, lambda: open_index(wiring.settings), console)
    return console


def broken_hour(wiring: Wiring, hour: Hour) -> None:
    """Put what is rejected, discarded, damaged and refused, each with planted values."""
    put(wiring, "sale", hour, [track("sale", "s1", **PERSON, total=3)])
    put(
        wiring,
        "odd",
        hour,
        [
            track("odd", "o1", amount=5),
            '{"type": "track", "event": "odd", "userId": "' + EMAIL + '", broken',
            json.dumps([PLAIN, EMAIL]),
            {"type": "track", "event": "odd", "properties": PERSON},  # no messageId
            {"type": NAME, "messageId": "o2", "userId": EMAIL},
            track("odd", "o3", **{EMAIL: PLAIN, "amount": NAME}),  # a value in the place of a name, a wrong type
        ],
    )
    whole = gzip.compress(json.dumps(track("damaged", "d1", **PERSON)).encode() * 99)
    put(wiring, "damaged", hour, [], raw=whole[:-20])
    put(wiring, "unreadable", hour, [], raw=f"{EMAIL} {PLAIN} is no gzip".encode())


def refuse_by_constraint(wiring: Wiring) -> None:
    """Let DuckDB refuse the next row with the same value, and quote it."""
    with duckdb.connect(wiring.settings.duckdb) as connection:
        connection.execute("CREATE UNIQUE INDEX one_mail ON acme.sale (email)")


def all_texts(wiring: Wiring, index: LogIndexStandIn, console: io.StringIO) -> dict[str, bytes]:
    """Return everything that was written anywhere but the warehouse, the quarantine and the raw objects."""
    home = wiring.settings.home
    texts = {str(path.relative_to(home)): path.read_bytes() for path in (home / "dagster").rglob("*") if path.is_file()}
    texts |= {str(path.relative_to(home)): path.read_bytes() for path in (home / "logs").rglob("*.ndjson")}
    return {**texts, "index": json.dumps(index.engine.documents).encode(), "console": console.getvalue().encode()}


def end(wiring: Wiring) -> None:
    logs = running_logs()
    assert logs is not None
    assert logs.close(20.0) == 0


def test_loads_that_go_wrong_in_every_way_log_no_planted_value(wiring: Wiring, index: LogIndexStandIn) -> None:
    hour = Hour.of(wiring.clock.now() - timedelta(hours=2))
    console = start_with_console(wiring)
    assert resolve_secret("env:PLANTED") == SECRET
    logging.getLogger("clickstream_platform.tests").info("the secrets are %s and %s", SECRET, AWS_SECRET)
    broken_hour(wiring, hour.plus(-1))
    drive_hours(wiring)
    refuse_by_constraint(wiring)
    put(wiring, "sale", hour, [track("sale", "s2", **PERSON)], number=2)
    refused = drive_hours(wiring)
    assert [run.is_success for run in refused.runs] == [False]
    end(wiring)
    texts = all_texts(wiring, index, console)
    found = {(where, planted) for where, text in texts.items() for planted in PLANTED if planted.encode() in text}
    assert found == set()
    # What went wrong is told nevertheless, and the values were really there to be told.
    lines = json.dumps(index.engine.documents)
    assert "sale" in lines
    assert "STEP_FAILURE" in lines
    assert "one_mail" in lines or "unique constraint" in lines
    customer = wiring.registry.get_customer("acme")
    rejected = sum(row.counts.rejected for row in wiring.list_loads(customer))
    assert rejected >= 3
    with duckdb.connect(wiring.settings.duckdb, read_only=True) as connection:
        assert connection.execute("SELECT email FROM acme.sale").fetchall() == [(EMAIL,)]


def test_a_collector_that_refuses_and_fails_logs_no_planted_value(wiring: Wiring, index: LogIndexStandIn) -> None:
    console = start_with_console(wiring)
    sink = MemorySink()

    def fail(_records: object) -> list[str | None]:
        raise ValueError(f"a fault of ours that quotes '{EMAIL}' and {CARD}")

    sink.behaviour = fail
    with running_collector(sink, spool=wiring.settings.home / "spool") as collector:
        person = json.dumps({"type": "track", "event": "sale", "properties": PERSON}).encode()
        for key, body in ((KEY, person), (KEY, b'{"email": "' + EMAIL.encode() + b'", broken'), (PLAIN, b"{}")):
            answer = collector.post("/v1/track", body, key, headers={"X-Forwarded-For": ADDRESS})
            assert answer.status_code in (200, 400, 401)
    logging.getLogger("clickstream_platform.tests").warning("ended")
    end(wiring)
    texts = all_texts(wiring, index, console)
    found = {(where, planted) for where, text in texts.items() for planted in PLANTED if planted.encode() in text}
    assert found == set()
    assert "ended" in json.dumps(index.engine.documents)


def test_the_test_would_find_them(wiring: Wiring, index: LogIndexStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without redaction the same lines hold planted values: the search above is not blind."""
    monkeypatch.setattr("clickstream_platform.observe.logs.ecs.redact", lambda text, names=(): text)
    monkeypatch.setattr("clickstream_platform.observe.logs.ecs.mask_values", lambda text: text)
    console = start_with_console(wiring)
    try:
        int(EMAIL)
    except ValueError:
        logging.getLogger("clickstream_platform.tests").exception("for %s", NAME)
    end(wiring)
    lines = json.dumps(index.engine.documents)
    assert EMAIL in lines
    assert NAME in lines
    assert NAME in console.getvalue()
