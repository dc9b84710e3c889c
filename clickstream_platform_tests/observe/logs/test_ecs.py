"""What a line holds: ECS names only, the context, errors without values; and that making it never fails."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from clickstream_platform.errors import LoadError
from clickstream_platform.observe.logs.context import log_context
from clickstream_platform.observe.logs.ecs import MAX_LINE_BYTES, Service, json_line, line_of, text_line
from clickstream_platform.observe.logs.fields import FIELDS

COMMON = Service("batcher", "1.2.3", "pod-7").fields()


def record(message: str, *args: object, error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error is not None else None
    made = logging.LogRecord("clickstream_platform.load", logging.WARNING, "/srv/load.py", 7, message, args, info, "do")
    made.__dict__.update(extra)
    return made


def raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises((ValueError, LoadError)) as caught:
        call()
    return caught.value


def test_a_line_has_the_names_of_the_schema_and_what_it_is_about() -> None:
    with log_context(customer="acme", hour="2026-11-22T09", run_id="run-1"), log_context(event="order", trace_id="ab"):
        line = line_of(record("loaded %d rows", 12), COMMON)
    assert list(line)[:3] == ["@timestamp", "log.level", "message"]
    assert line["message"] == "loaded 12 rows"
    assert {name: line[name] for name in line if name.startswith(("clickstream.", "trace."))} == {
        "clickstream.customer": "acme",
        "clickstream.hour": "2026-11-22T09",
        "clickstream.run_id": "run-1",
        "clickstream.event": "order",
        "trace.id": "ab",
    }
    assert (line["service.name"], line["host.name"], line["log.logger"]) == (
        "batcher",
        "pod-7",
        "clickstream_platform.load",
    )
    assert line.keys() <= FIELDS.keys()
    assert json.loads(json_line(line)) == line
    assert "[acme order 2026-11-22T09] loaded 12 rows" in text_line(line)


def test_the_context_ends_with_its_block() -> None:
    with log_context(customer="acme"):
        pass
    assert "clickstream.customer" not in line_of(record("x"), COMMON)


def test_a_foreign_error_tells_class_and_places_and_no_values() -> None:
    def convert() -> int:
        return int("jane.doe planted")

    line = line_of(record("it failed", error=raised(convert)), COMMON)
    assert line["error.type"] == "ValueError"
    assert "test_ecs.py" in str(line["error.stack_trace"])
    assert "convert" in str(line["error.stack_trace"])
    assert "planted" not in json.dumps(line)


def test_an_error_of_ours_keeps_its_remedy_and_its_cause_no_values() -> None:
    def load() -> None:
        try:
            int("jane.doe planted")
        except ValueError as error:
            raise LoadError("loading", where="acme/order", cause=str(error), remedy="Stage it again.") from error

    line = line_of(record("%s", raised(load), error=raised(load)), COMMON)
    assert str(line["message"]).startswith("loading for acme/order: invalid literal")
    assert str(line["error.message"]).endswith("Stage it again.")
    trace = str(line["error.stack_trace"])
    assert trace.index("ValueError: ") < trace.index("LoadError: ")
    assert "planted" not in json.dumps(line)


def test_what_somebody_puts_into_extra_is_not_written() -> None:
    line = line_of(record("x", email="jane@planted.example", request_id="req-1"), COMMON)
    assert "planted" not in json.dumps(line)
    assert line["clickstream.request_id"] == "req-1"


@pytest.mark.parametrize("arguments", [(1, 2, 3), (object(),), ({},)])
def test_arguments_that_do_not_fit_raise_nothing(arguments: tuple[object, ...]) -> None:
    assert "do not fit" in str(line_of(record("%d of %d", *arguments), COMMON)["message"])


def test_an_argument_that_cannot_be_shown_raises_nothing() -> None:
    class Bad:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    assert "do not fit" in str(line_of(record("%s", Bad()), COMMON)["message"])


def test_a_huge_or_odd_line_is_still_one_line_of_json() -> None:
    for text in ("x" * 1_000_000, "\ud800 half a pair", "a\nb\r\x00", "☃" * 20_000):
        data = json_line(line_of(record(text), COMMON))
        assert b"\n" not in data
        assert len(data) <= MAX_LINE_BYTES
        json.loads(data)


def test_the_document_lists_every_field() -> None:
    text = (Path(__file__).parents[3] / "docs" / "logs.md").read_text(encoding="utf-8")
    for name, field in FIELDS.items():
        assert f"| `{name}` | {field.type} | {field.meaning} |" in text
