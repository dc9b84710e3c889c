"""The fields of a line, by their names in the Elastic Common Schema; ours are below `clickstream.`.

Belongs here: names, types in an index, meanings. Does not: filling them (`ecs`). A test holds index template and
docs/logs.md against this list.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

ECS_VERSION = "8.17.0"
FieldType = Literal["date", "keyword", "text", "long", "version"]


class Field(NamedTuple):
    """One field: its type in the index and what it holds."""

    type: FieldType
    meaning: str


FIELDS: dict[str, Field] = {
    "@timestamp": Field("date", "when it was logged, UTC, milliseconds"),
    "log.level": Field("keyword", "debug, info, warning, error or critical"),
    "message": Field("text", "the line itself, redacted"),
    "ecs.version": Field("keyword", "version of the schema that the names are from"),
    "service.name": Field("keyword", "collector, batcher, registry, exporter, dagster or run"),
    "service.version": Field("keyword", "version of the platform"),
    "service.node.name": Field("keyword", "one process of the service: host and process id"),
    "host.name": Field("keyword", "machine or pod"),
    "process.pid": Field("long", "process id"),
    "process.thread.name": Field("keyword", "thread that logged"),
    "log.logger": Field("keyword", "name of the logger, which is the module"),
    "log.origin.file.name": Field("keyword", "file of the call"),
    "log.origin.file.line": Field("long", "its line"),
    "log.origin.function": Field("keyword", "function of the call"),
    "event.sequence": Field("long", "number of the line in its process, which orders lines of one millisecond"),
    "event.action": Field("keyword", "kind of Dagster's event, such as STEP_FAILURE"),
    "error.type": Field("keyword", "class of an error"),
    "error.message": Field("text", "its message, redacted"),
    "error.stack_trace": Field("text", "files, lines and functions, the innermost last; no values"),
    "trace.id": Field("keyword", "trace that the line belongs to"),
    "span.id": Field("keyword", "span that the line belongs to"),
    "clickstream.customer": Field("keyword", "customer"),
    "clickstream.event": Field("keyword", "event"),
    "clickstream.hour": Field("keyword", "hour, like 2026-11-22T09"),
    "clickstream.run_id": Field("keyword", "run of Dagster"),
    "clickstream.step": Field("keyword", "step of the run"),
    "clickstream.job": Field("keyword", "job of the run, or the sensor"),
    "clickstream.request_id": Field("keyword", "HTTP request"),
}
