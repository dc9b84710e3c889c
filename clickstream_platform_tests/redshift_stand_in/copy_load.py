"""COPY executed: the manifest and its Parquet objects are read from S3 and fed to PostgreSQL on the same session.

Belongs here: what Redshift checks about manifest, files and columns, and the error detail of what it finds. Does not:
the values of a column (`copy_values`), who may read (`access`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clickstream_platform_tests.redshift_stand_in.access import Reader
from clickstream_platform_tests.redshift_stand_in.backend import Backend
from clickstream_platform_tests.redshift_stand_in.copy_values import BadValueError, Target, encode_rows
from clickstream_platform_tests.redshift_stand_in.lexer import literal
from clickstream_platform_tests.redshift_stand_in.plans import CopyCommand
from clickstream_platform_tests.redshift_stand_in.wire import SqlError

MAX_ROW_BYTES = 4 * 1024 * 1024
_LIMIT_ENTRIES = 100_000


@dataclass
class LoadError(Exception):
    """What goes into the error views: where it happened and why."""

    file_name: str
    reason: str
    code: int = 15007
    column: str = ""
    type: str = ""
    length: str = ""
    line: int = 0
    value: str = ""

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class _Entry:
    url: str
    is_mandatory: bool
    size: int | None


def load(backend: Backend, command: CopyCommand, reader: Reader) -> int:
    """Execute a COPY and return its number of rows; raise LoadError or SqlError."""
    entries = _entries(command, reader)
    targets = _targets(backend, command)
    names = ", ".join('"' + target.name.replace('"', '""') + '"' for target in targets)
    count = 0

    def chunks() -> Iterator[bytes]:
        nonlocal count
        for entry in entries:
            for batch in _batches(entry, targets, reader, command):
                count += batch.num_rows
                try:
                    yield encode_rows(batch, targets, command.serialize_to_json, MAX_ROW_BYTES)
                except BadValueError as error:
                    target = targets[error.column]
                    raise LoadError(
                        entry.url, str(error), 1204, target.real, target.type, target.length, error.line, error.value
                    ) from error

    backend.copy_in(f"COPY {command.target} ({names}) FROM STDIN", chunks)
    return count


def _entries(command: CopyCommand, reader: Reader) -> list[_Entry]:
    if not command.is_manifest:
        raise SqlError("0A000", "the Redshift stand-in refuses COPY of a key prefix: use a MANIFEST")
    try:
        manifest = json.loads(reader.read(command.url))
        found = [_entry(entry) for entry in manifest["entries"]]
    except SqlError as error:
        raise SqlError("XX000", f"Problem reading manifest file - {error.message}", error.detail) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SqlError("XX000", f"Invalid manifest file {command.url}: {error!r}") from error
    if len(found) > _LIMIT_ENTRIES:
        raise SqlError("XX000", f"the manifest has {len(found)} entries")
    return found


def _entry(entry: dict[str, Any]) -> _Entry:
    url = entry["url"]
    if not url.startswith("s3://") or url.endswith("/"):
        raise SqlError("XX000", f"COPY with MANIFEST parameter requires full path of an S3 object: {url}")
    if "meta" not in entry:
        raise SqlError("XX000", "File entry does not have 'meta' key.", "code: 15003\n  location: spectrum_manifest")
    if "content_length" not in entry["meta"]:
        raise SqlError("XX000", "File entry does not have 'content_length' key.", "code: 15003")
    return _Entry(url, bool(entry.get("mandatory", False)), int(entry["meta"]["content_length"]))


def _batches(entry: _Entry, targets: list[Target], reader: Reader, command: CopyCommand) -> Iterator[pa.RecordBatch]:
    try:
        data = reader.read(entry.url)
    except SqlError as error:
        if "NoSuchKey" in error.message and not entry.is_mandatory:
            return
        raise
    if len(data) != entry.size:
        reason = f"Incorrect file size: the manifest's content_length is {entry.size}, the object has {len(data)} bytes"
        raise LoadError(entry.url, reason, 15001)
    try:
        parquet = pq.ParquetFile(io.BytesIO(data))
    except pa.ArrowException as error:
        raise LoadError(entry.url, f"File has an invalid Parquet footer or version: {error}", 15001) from error
    schema = parquet.schema_arrow
    if len(schema) != len(targets):
        reason = (
            "Unmatched number of columns between table and file. "
            f"Table columns: {len(targets)}, Data columns: {len(schema)}, File name: {entry.url}"
        )
        raise LoadError(entry.url, reason)
    for target, column in zip(targets, schema, strict=True):
        problem = target.mismatch(column.type, command.serialize_to_json)
        if problem:
            reason = f"File '{entry.url}' has an incompatible Parquet schema for column '{target.real}'. {problem}"
            raise LoadError(entry.url, reason, 15007, target.real, target.type, target.length)
    yield from parquet.iter_batches(batch_size=2_000)


def _targets(backend: Backend, command: CopyCommand) -> list[Target]:
    rows = backend.run(
        "SELECT attname, stand_in.real_name(attname), format_type(atttypid, NULL), "
        "CASE WHEN atttypmod > 4 AND atttypid IN (1042, 1043) THEN atttypmod - 4 END FROM pg_catalog.pg_attribute "
        f"WHERE attrelid = {literal(command.target)}::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    known = {str(row[0]): Target(str(row[0]), str(row[1]), str(row[2]), int(row[3] or 0)) for row in rows}
    missing = [name for name in command.columns if name not in known]
    if missing:
        raise SqlError("42703", f'column "{missing[0]}" of relation "{command.table}" does not exist')
    return [known[name] for name in command.columns] if command.columns else list(known.values())
