"""From a record of `logging` to a line: the fields of `fields`, redacted, each bounded; never an error.

Belongs here: which attribute becomes which field. Does not: masking (`redaction`), where lines go (`shipping`). Only
attributes that are named here are written: what somebody puts into `extra=` by accident is not.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.observe.logs.context import CUSTOMER, EVENT, HOUR, RUN, TRACE, current_context
from clickstream_platform.observe.logs.fields import ECS_VERSION
from clickstream_platform.observe.logs.redaction import mask_values, redact, redact_secrets
from clickstream_platform.observe.tracing import trace_id_of

MAX_FRAMES, MAX_CHAIN = 25, 5
MAX_LINE_BYTES = 65_536
_CUSTOMER_TAG, _EVENT_TAG, _HOUR_TAG = "clickstream/customer", "clickstream/event", "clickstream/hour"
_DAGSTER = {"run_id": RUN, "step_key": "clickstream.step", "job_name": "clickstream.job"}
_TAGS = {_CUSTOMER_TAG: CUSTOMER, _EVENT_TAG: EVENT, _HOUR_TAG: HOUR}
# These log names and counts; others, such as asyncio, the texts of errors as well.
_OURS = ("clickstream_platform", "dagster")
_EXTRAS = {"request_id": "clickstream.request_id"}


@dataclass(frozen=True, slots=True)
class Service:
    """Who logs: a service's name, the platform's version and, made from the machine, the process."""

    name: str
    version: str = ""
    host: str = field(default_factory=socket.gethostname)

    def fields(self) -> dict[str, str | int]:
        """Return what every line of this process has."""
        pid = os.getpid()
        given: dict[str, str | int] = {
            "ecs.version": ECS_VERSION,
            "service.name": self.name,
            "service.version": self.version,
            "service.node.name": f"{self.host}-{pid}",
            "host.name": self.host,
            "process.pid": pid,
        }
        return {name: value for name, value in given.items() if value != ""}


def line_of(record: logging.LogRecord, common: Mapping[str, str | int]) -> dict[str, str | int]:
    """Return the fields of a record, in the order that people read them in; raises nothing."""
    line: dict[str, str | int] = {
        "@timestamp": timestamp_of(record.created),
        "log.level": record.levelname.lower(),
        "message": "",
        **common,
        "log.logger": record.name,
        "log.origin.file.name": record.filename,
        "log.origin.file.line": record.lineno,
        "log.origin.function": record.funcName or "",
        "process.thread.name": record.threadName or "",
        **current_context(),
    }
    line |= _of_dagster(record)
    if CUSTOMER in line and HOUR in line and TRACE not in line:
        line[TRACE] = trace_id_of(str(line[CUSTOMER]), str(line[HOUR]))
    line |= {name: redact(str(value)) for key, name in _EXTRAS.items() if (value := record.__dict__.get(key))}
    names = {str(value) for name, value in line.items() if name.startswith("clickstream.")}
    mask = redact if record.name.startswith(_OURS) else mask_values
    line["message"] = mask(_message_of(record), names)
    if record.exc_info and record.exc_info[1] is not None:
        line |= _of_error(record.exc_info[1])
    return {name: value for name, value in line.items() if value != ""}


def json_line(line: Mapping[str, str | int]) -> bytes:
    """Return a line as JSON without line break; one that is far too long keeps its beginning."""
    data = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    if len(data) <= MAX_LINE_BYTES:
        return data
    cut = {name: value[:2_000] if isinstance(value, str) else value for name, value in line.items()}
    return json.dumps(cut, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def text_line(line: Mapping[str, object]) -> str:
    """Return a line for people: time, level, who, what it is about, message; a stack trace follows on its own lines."""
    about = " ".join(str(line[name]) for name in (CUSTOMER, EVENT, HOUR) if name in line)
    logger = str(line.get("log.logger", ""))
    head = f"{line.get('@timestamp', '')} {str(line.get('log.level', '')).upper():7} {logger}"
    text = f"{head} [{about}] {line.get('message', '')}" if about else f"{head} {line.get('message', '')}"
    if "error.type" in line:
        text += f"\n  {line['error.type']}: {line.get('error.message', '')}"
    if "error.stack_trace" in line:
        text += "".join(f"\n    {frame}" for frame in str(line["error.stack_trace"]).splitlines())
    return text


def timestamp_of(seconds: float) -> str:
    """Return a moment, in seconds since 1970, as `2026-11-22T09:02:03.931Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _message_of(record: logging.LogRecord) -> str:
    metadata = record.__dict__.get("dagster_meta")
    if isinstance(metadata, Mapping):
        # Dagster puts names and ids that have fields of their own before the message, and errors behind it.
        return str(metadata.get("orig_message") or record.msg)
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that don't fit must not stop who logs; the text tells where to mend it
        return f"{record.msg} (its arguments do not fit)"


def _of_dagster(record: logging.LogRecord) -> dict[str, str | int]:
    """Return what Dagster knows of a record that was logged in a run or tick."""
    metadata = record.__dict__.get("dagster_meta")
    if not isinstance(metadata, Mapping):
        return {}
    found: dict[str, str | int] = {name: str(metadata[key]) for key, name in _DAGSTER.items() if metadata.get(key)}
    tags = metadata.get("job_tags") or {}
    found |= {name: str(tags[tag]) for tag, name in _TAGS.items() if tag in tags and name not in current_context()}
    event = metadata.get("dagster_event")
    if event is not None:
        found["event.action"] = str(getattr(event, "event_type_value", ""))
        error = getattr(getattr(event, "event_specific_data", None), "error", None)
        if error is not None:
            found |= _of_serialized(error)
    return found


def _of_serialized(error: object) -> dict[str, str | int]:
    """Return the fields of an error that Dagster made a text of: its classes and messages, no source lines."""
    kinds: list[str] = []
    messages: list[str] = []
    current: object | None = error
    while current is not None and len(kinds) < MAX_CHAIN:
        kinds.append(str(getattr(current, "cls_name", "")))
        messages.append(mask_values(str(getattr(current, "message", ""))).strip())
        current = getattr(current, "cause", None)
    return {"error.type": kinds[-1], "error.message": " < ".join(reversed(messages))}


def _of_error(error: BaseException) -> dict[str, str | int]:
    places, current = [], error
    for _ in range(MAX_CHAIN):
        text = redact(str(current)) if isinstance(current, ClickstreamError) else mask_values(str(current))
        places.append("\n".join([*_frames(current.__traceback__), f"{type(current).__name__}: {text}"]))
        following = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if following is None:
            break
        current = following
    is_ours = isinstance(error, ClickstreamError)
    message = redact(str(error)) if is_ours else mask_values(str(error))
    return {"error.type": type(error).__name__, "error.message": message, "error.stack_trace": "\n".join(places[::-1])}


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace, limit=-MAX_FRAMES)
    return [redact_secrets(f"{frame.filename}:{frame.lineno} {frame.name}") for frame in frames]
