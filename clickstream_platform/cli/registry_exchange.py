"""`clickstream registry export` and `clickstream registry apply`: everything as one document.

Belongs here: reading options, files and answers, printing. Does not: the document and the plan (`registry.exchange`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer

from clickstream_platform.cli.registry_session import opened
from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table, printable
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.registry.exchange import (
    Change,
    DocumentError,
    Plan,
    apply_plan,
    export_document,
    from_yaml,
    plan_changes,
    plan_document,
    to_yaml,
)
from clickstream_platform.registry.refusals import StaleRevisionError
from clickstream_platform.registry.service import RegistryService

STANDARD = "-"
_OWNER_ONLY = 0o600
_VALUE_CHARACTERS = 60
CHANGES_EXIT_CODE = 2
"""Of `apply --plan-only` when there is something to change."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


def list_faults(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Print what is wrong with a document, a line each, and exit with code 1."""

    @wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except DocumentError as error:
            for fault in error.faults:
                typer.echo(f"error: {printable(' '.join(str(fault).split()))}", err=True)
            raise typer.Exit(code=1) from error

    return run


@handle_errors
def export_command(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="Where to; - for standard output.")] = STANDARD,
    as_json: JsonOption = False,
) -> None:
    """Write everything the registry holds, API tokens apart, as one YAML document.

    It has the hashes of write keys, so a file is made readable for you only.
    """
    with opened(context) as service:
        document = export_document(service)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n" if as_json else to_yaml(document)
    if file == STANDARD:
        sys.stdout.buffer.write(text.encode())
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
        with open(descriptor, "wb") as target:  # noqa: PTH123 - a Path cannot be opened with a mode of its own
            os.fchmod(descriptor, _OWNER_ONLY)
            target.write(text.encode())
    except OSError as error:
        raise _file_error("writing the document", file, error) from error
    typer.echo(f"wrote {printable(file)}", err=True)


@handle_errors
@list_faults
def apply_command(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A document in YAML or JSON; - for standard input.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove customers and events, and revoke write keys, that it does not name.")
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Change nothing; exit code 2 when something would be.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what makes the registry what a document says, ask, and do it: all of it, or nothing."""
    if file == STANDARD and not (yes or plan_only):
        raise ConfigurationError(
            "applying a document",
            cause="it comes from standard input, so nobody can be asked there",
            remedy="Give --plan-only first, then --yes.",
        )
    document = from_yaml(read_input("reading the document", file))
    with opened(context) as service:
        plan = plan_changes(service, document, prune=prune)
        if not as_json:
            _print_plan(plan)
        is_made = bool(plan.changes) and not plan_only
        if is_made:
            if not yes:
                typer.confirm("Make these changes?", abort=True, err=True)
            _apply(service, plan, document, prune)
    if as_json:
        print_json({**plan_document(plan), "applied": is_made})
    elif is_made:
        typer.echo(f"Made {len(plan.changes):,} changes.")
    if plan_only and plan.changes:
        raise typer.Exit(code=CHANGES_EXIT_CODE)


def read_input(failed: str, file: str) -> bytes:
    """Return the bytes of a file, or of standard input for `-`; raise ConfigurationError."""
    try:
        return sys.stdin.buffer.read() if file == STANDARD else Path(file).read_bytes()
    except OSError as error:
        raise _file_error(failed, file, error) from error


def _file_error(failed: str, file: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        failed, where=repr(file), cause=error.strerror or str(error), remedy="Give the path of another file."
    )


def _apply(service: RegistryService, plan: Plan, document: dict[str, Any], prune: bool) -> None:
    """Apply a plan that was seen; when the registry moved on meanwhile, only if the plan is still the same."""
    try:
        apply_plan(service, plan)
    except StaleRevisionError:
        again = plan_changes(service, document, prune=prune)
        if again.changes != plan.changes:
            raise
        apply_plan(service, again)


def _print_plan(plan: Plan) -> None:
    if plan.changes:
        rows = [
            (
                change.action.replace("_", " "),
                change.kind.replace("_", " "),
                change.customer,
                change.name,
                _told(change),
            )
            for change in plan.changes
        ]
        print_table(("change", "of", "customer", "name", "what"), rows, title=f"Plan: {len(rows):,} changes")
    else:
        typer.echo("Nothing to change.")
    if plan.left_alone:
        typer.echo(f"Left alone, as the document does not name them: {len(plan.left_alone):,}.")


def _told(change: Change) -> str:
    if change.action == "add":
        given = [each for each in change.fields if each.after is not None and each.name != "hash"]
        return "; ".join(f"{each.name}: {_short(each.after)}" for each in given)
    return "; ".join(f"{each.name}: {_short(each.before)} -> {_short(each.after)}" for each in change.fields)


def _short(value: object) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_CHARACTERS else text[: _VALUE_CHARACTERS - 1] + "…"
