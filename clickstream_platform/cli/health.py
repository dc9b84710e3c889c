"""`clickstream health`: the probe of one service, for people; probes themselves call `python -m` its package.

Belongs here: handing arguments over. Does not: anything else (`clickstream_platform.health`).
"""

from __future__ import annotations

from typing import Annotated

import typer

CONTEXT = {"ignore_unknown_options": True, "allow_extra_args": True}
"""For `app.command("health", context_settings=CONTEXT, add_help_option=False)`: the package reads its own options."""


def health_command(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="SERVICE [--ready] [--at ADDRESS] …")] = None,
) -> None:
    """Say whether a service works, in one line; exit code 1 when it does not (see `clickstream health --help`)."""
    from clickstream_platform.health.__main__ import main

    raise typer.Exit(main(arguments or ["--help"]))
