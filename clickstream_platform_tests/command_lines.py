"""A command line that a document, a runbook or a manifest names, taken by the program's own parser without being run.

Belongs here: that. Does not: finding command lines in texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from typer.main import get_command

from clickstream_platform.cli import app

CLICKSTREAM: Any = get_command(app)


@dataclass(frozen=True)
class Parsed:
    """The command that would run: its names below the program, and what the parser knows of it."""

    names: tuple[str, ...]
    command: Any

    @property
    def options(self) -> set[str]:
        """Return the options that the command has."""
        return {option for each in self.command.params for option in (*each.opts, *each.secondary_opts)}


def parse(words: Sequence[str], program: Any = CLICKSTREAM, *, is_shortened: bool = False) -> Parsed:
    """Let a program's parser take the words after its name; raise ValueError where it refuses.

    A shortened command line is not asked for what it lacks, and its options are not judged. Typer's click is not the
    click that others import, so what a group is, and what an error, cannot be told by class.
    """
    names: tuple[str, ...] = ()
    command, context, rest = program, None, list(words)
    while True:
        try:
            context = command.make_context(command.name, rest, context, resilient_parsing=is_shortened)
        except Exception as error:
            raise ValueError(f"{' '.join(words)}: {error}") from error
        if not hasattr(command, "commands"):
            return Parsed(names, command)
        rest = [*context._protected_args, *context.args]
        if not rest or rest[0] not in command.commands:
            raise ValueError(f"{' '.join(words)}: there is no {' '.join([*names, *rest[:1]])!r}")
        name, rest = rest[0], rest[1:]
        command, names = command.commands[name], (*names, name)
