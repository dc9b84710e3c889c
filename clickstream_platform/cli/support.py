"""How every command answers: errors as one line, results as JSON or as a table.

Belongs here: what the command modules share about reading options and printing. Does not: any command.
"""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clickstream_platform.errors import ClickstreamError, ConfigurationError

JsonOption = Annotated[bool, typer.Option("--json", help="Answer as JSON on standard output.")]
"""The option that every command has; a parameter of this type needs the default False."""

_WIDTH_WITHOUT_TERMINAL = 200
# C0 and C1 controls could move the cursor or change colours, bidirectional controls could reorder what is read.
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_P = ParamSpec("_P")
_R = TypeVar("_R")


def listening(what: str, host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise ConfigurationError, of `what`, where that is not possible."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        remedy = "Choose another --port or --host."
        raise ConfigurationError(what, where=f"{host}:{port}", cause=str(error), remedy=remedy) from error


def handle_errors(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turn a ClickstreamError of a command into one line on standard error and exit code 1."""

    @wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except ClickstreamError as error:
            typer.echo(f"error: {printable(' '.join(str(error).split()))}", err=True)
            raise typer.Exit(code=1) from error

    return run


def print_json(value: object) -> None:
    """Print a value as JSON; times in ISO format, paths as text, dataclasses as objects."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_jsonable)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2, default=_jsonable)
    typer.echo(text)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print rows under named columns; numbers to the right, nothing cut off, names from outside made harmless."""
    console = _console()
    cells = [list(row) for row in rows]
    table = Table(title=None if title is None else Text(printable(title)), title_justify="left")
    for index, column in enumerate(columns):
        is_number = bool(cells) and all(_is_number(row[index]) for row in cells if row[index] is not None)
        table.add_column(Text(column), justify="right" if is_number else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(_shown(cell)) for cell in row))
    console.print(table)
    if not cells:
        console.print("Nothing to show.")


def print_fields(fields: Mapping[str, object], *, title: str | None = None) -> None:
    """Print one thing as a table of its fields; a nested mapping shows as `outer.inner`."""
    rows: list[tuple[str, object]] = []
    for name, value in fields.items():
        if isinstance(value, Mapping):
            rows += [(f"{printable(name)}.{printable(str(inner))}", nested) for inner, nested in value.items()]
        else:
            rows.append((name, value))
    console = _console()
    table = Table(title=None if title is None else Text(printable(title)), title_justify="left", show_header=False)
    table.add_column(overflow="fold", style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(_shown(value)))
    console.print(table)


def printable(text: str) -> str:
    """Return the text with every character that could act on a terminal written as its escape."""
    return _UNPRINTABLE.sub(lambda match: match.group().encode("unicode_escape", "surrogatepass").decode(), text)


def _console() -> Console:
    console = Console(highlight=False)
    # Without a terminal somebody reads the lines with another program, and eighty columns would fold them.
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_WITHOUT_TERMINAL)


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _shown(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return printable(str(cell))


def _jsonable(value: object) -> Any:  # noqa: ANN401 - whatever JSON can hold
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")  # a mistake of ours, not of the user
