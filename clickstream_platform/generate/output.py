"""Generated hours as NDJSON files, gzip when the name ends with `.gz`.

Belongs here: names of files and their writing. Does not: the records (`events`), what the user sees (`cli.generate`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from isal import igzip

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.generate.events import generate_blocks
from clickstream_platform.generate.plan import GeneratorSettings
from clickstream_platform.model.hours import Hour

STANDARD_OUTPUT = "-"


@dataclass(frozen=True)
class WrittenFile:
    """A file that was written: how many hours and lines it holds, and its bytes before compression."""

    path: str
    hours: int
    lines: int
    bytes: int


def write_hours(
    settings: GeneratorSettings,
    out: str,
    *,
    is_per_hour: bool = False,
    on_lines: Callable[[int], None] = lambda _lines: None,
) -> list[WrittenFile]:
    """Write all hours to the file `out` (`-`: standard output), or one file per hour into the folder `out`.

    `on_lines` is told how many lines were written since the last time. A file appears under its name only when it is
    complete. Raises ConfigurationError when `out` can't be written.
    """
    targets = {out: range(settings.hours)}
    if is_per_hour:
        if out == STANDARD_OUTPUT:
            raise _unwritable(settings, out, "--per-hour needs a folder", "Give a folder with --out.")
        targets = {
            str(Path(out, hour_file_name(settings, index))): range(index, index + 1) for index in range(settings.hours)
        }
    try:
        return [_write(settings, path, hours, on_lines) for path, hours in targets.items()]
    except BrokenPipeError:
        raise  # whoever reads standard output has enough: the caller ends quietly
    except OSError as error:
        remedy = "Give a path that can be written, with room for about 1.2 KB per event (a tenth when compressed)."
        raise _unwritable(settings, out, str(error), remedy) from error


def hour_file_name(settings: GeneratorSettings, hour_index: int) -> str:
    """Return the name of one hour's file, `<customer>-<hour>.ndjson.gz`."""
    return f"{settings.customer}-{Hour.of(settings.hour_start(hour_index))}.ndjson.gz"


def _write(settings: GeneratorSettings, path: str, hours: range, on_lines: Callable[[int], None]) -> WrittenFile:
    lines_written = bytes_written = 0
    with _opened(path) as target:
        for hour_index in hours:
            for lines in generate_blocks(settings, hour_index):
                text = b"\n".join(lines) + b"\n"
                target.write(text)
                lines_written, bytes_written = lines_written + len(lines), bytes_written + len(text)
                on_lines(len(lines))
    return WrittenFile(path, len(hours), lines_written, bytes_written)


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    if path == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.part")
    try:
        with unfinished.open("wb") as plain:
            if target.suffix == ".gz":
                # No name and no time in the header: the same events give the same file.
                with igzip.IGzipFile(filename="", mode="wb", compresslevel=1, fileobj=plain, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield plain
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _unwritable(settings: GeneratorSettings, out: str, cause: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"writing events to {out}", where=settings.customer, cause=cause, remedy=remedy)
