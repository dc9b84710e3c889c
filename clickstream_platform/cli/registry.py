"""`clickstream registry …`: the whole group, its options, and what concerns everything at once.

Belongs here: the group, `snapshot` and `audit`. Does not: the commands of one kind of entity (`cli.registry_customers`
and its siblings), any rule (`registry.service`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from clickstream_platform.cli.registry_contracts import contracts_app
from clickstream_platform.cli.registry_customers import customers_app
from clickstream_platform.cli.registry_destinations import destinations_app
from clickstream_platform.cli.registry_events import events_app
from clickstream_platform.cli.registry_exchange import apply_command, export_command
from clickstream_platform.cli.registry_serve import serve_command
from clickstream_platform.cli.registry_session import opened
from clickstream_platform.cli.registry_tokens import tokens_app
from clickstream_platform.cli.registry_write_keys import write_keys_app
from clickstream_platform.cli.support import JsonOption, handle_errors, print_fields, print_json, print_table
from clickstream_platform.registry.documents import audit_document, snapshot_document
from clickstream_platform.registry.entities import EventState

registry_app = typer.Typer(help="Customers, their events, keys and destinations.", no_args_is_help=True)
registry_app.add_typer(customers_app, name="customers")
registry_app.add_typer(events_app, name="events")
registry_app.add_typer(contracts_app, name="contracts")
registry_app.add_typer(write_keys_app, name="write-keys")
registry_app.add_typer(destinations_app, name="destinations")
registry_app.add_typer(tokens_app, name="tokens")
registry_app.command("export")(export_command)
registry_app.command("apply")(apply_command)
registry_app.command("serve")(serve_command)


@registry_app.callback()
def registry(
    context: typer.Context,
    registry_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="SQLAlchemy URL of the registry. Default: CLICKSTREAM_REGISTRY_URL."),
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Who is logged as making changes. Default: you.")] = None,
) -> None:
    """Customers, their events, keys and destinations."""
    context.obj = (registry_url, actor)


@registry_app.command("snapshot")
@handle_errors
def snapshot(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show what the platform's parts work from; `--json` gives all of it."""
    with opened(context) as service:
        taken = service.snapshot()
    if as_json:
        print_json(snapshot_document(taken))
        return
    in_state = {f"events {state}": sum(event.state is state for event in taken.events) for state in EventState}
    counts = {"customers": len(taken.customers), "destinations": len(taken.destinations), **in_state}
    print_fields({"etag": taken.etag, "taken at": taken.taken_at, **counts}, title="Snapshot")


@registry_app.command("audit")
@handle_errors
def audit(
    context: typer.Context,
    customer: Annotated[str | None, typer.Option(help="Only changes that concern this customer.")] = None,
    before: Annotated[int | None, typer.Option(help="Only changes with a smaller number: the next page.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List who changed what and when, newest first; `--json` has each entity before and after."""
    with opened(context) as service:
        entries = service.list_audit(customer, before=before, limit=limit)
    if as_json:
        print_json([audit_document(entry) for entry in entries])
        return
    rows = [(each.number, each.at, each.actor, each.action, each.customer, each.name) for each in entries]
    print_table(("number", "at", "who", "what", "customer", "name"), rows)
