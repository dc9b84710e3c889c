"""`clickstream schema plan`: the DDL that loading would make, before it is made.

Belongs here: reading options, printing. Does not: the plan (`pipeline.schema_plan`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, printable
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.hours import Hour

if TYPE_CHECKING:
    from clickstream_platform.pipeline.schema_plan import HourSchemaPlan

schema_app = typer.Typer(help="The warehouse's tables: how they would change.", no_args_is_help=True)


@schema_app.callback()
def schema() -> None:
    """Keep `plan` a command of its own name, though it is the only one."""


@schema_app.command("plan")
@handle_errors
def plan_command(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Slug of the customer.")],
    hour: Annotated[
        str | None,
        typer.Option(metavar="HOUR", help="This hour, ready or not, like 2026-11-22T09. Default: what is pending."),
    ] = None,
    event: Annotated[list[str] | None, typer.Option(help="Only this event of --hour; repeat for more.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Pending hours to plan at most, oldest first.")] = 24,
    as_json: JsonOption = False,
) -> None:
    """Print the DDL statements that loading the pending hours (or one hour) would make, and change nothing.

    The hours are transformed as for a load, so a big one takes as long, but nothing is written: no object, no table, no
    entry in the registry. Each hour is planned as if the ones before it were loaded. Statements marked "before the
    transaction" are made one by one ahead of it, where the warehouse can't have them inside.
    """
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.pipeline.opening import Pipeline
    from clickstream_platform.pipeline.schema_plan import DryWiring, open_planner, plan_pending
    from clickstream_platform.settings import load_settings

    if event and hour is None:
        raise ConfigurationError(
            "planning the schema", cause="--event is given without --hour", remedy="Say which hour, too."
        )
    console = Console(stderr=True)
    with DryWiring(load_settings(), SystemClock()) as wiring:
        planner = open_planner(wiring, customer, lambda text: console.print(text, highlight=False, markup=False))
        if hour is not None:
            plans, has_more = [planner.plan(Hour.parse(hour), event)], False
        else:
            plans, has_more = plan_pending(planner, Pipeline(wiring).discovery, limit)
    if as_json:
        print_json({"customer": customer, "hours": [_document(plan) for plan in plans], "more_pending": has_more})
        return
    _print(customer, plans, has_more)


def _document(plan: HourSchemaPlan) -> dict[str, object]:
    return {
        "hour": str(plan.hour),
        "events": list(plan.events),
        "already_loaded": list(plan.already_loaded),
        "statements": [
            {"table": each.table, "sql": each.sql, "in_transaction": each.in_transaction, "problem": each.problem}
            for each in plan.statements
        ],
        "refused": dict(plan.refused),
        "skipped": dict(plan.skipped),
    }


def _print(customer: str, plans: Sequence[HourSchemaPlan], has_more: bool) -> None:
    """Print SQL that could be run as it is; everything else is a comment."""
    lines = []
    for plan in plans:
        known = f", {len(plan.already_loaded)} loaded already" if plan.already_loaded else ""
        lines.append(f"-- {customer} {plan.hour}: {len(plan.statements)} statements, {len(plan.events)} events{known}")
        for each in plan.statements:
            lines += [f"-- would be refused: {each.problem}"] if each.problem else []
            lines.append(f"{each.sql};{'' if each.in_transaction else '  -- before the transaction'}")
        lines += [f"-- {event} would not be loaded: {why}" for event, why in {**plan.refused, **plan.skipped}.items()]
    if not plans:
        lines.append(f"-- {customer}: nothing is pending")
    if has_more:
        lines.append("-- more hours are pending; --limit plans more")
    for line in lines:
        typer.echo(printable(line))
