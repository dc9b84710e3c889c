"""`clickstream registry events …`.

Belongs here: reading options, calling the service, printing. Does not: any rule (`registry.service`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from clickstream_platform.cli.registry_session import CustomerArgument, opened, show
from clickstream_platform.cli.support import JsonOption, handle_errors, print_fields, print_json, print_table
from clickstream_platform.model.naming import event_slug
from clickstream_platform.registry.documents import to_document
from clickstream_platform.registry.entities import EventState
from clickstream_platform.registry.events import UNCHANGED, Unchanged
from clickstream_platform.registry.refusals import NotFoundError
from clickstream_platform.registry.service import RegistryService

events_app = typer.Typer(help="Events: one table each.", no_args_is_help=True)

EventArgument = Annotated[str, typer.Argument(metavar="EVENT", help="Slug of the event, or its name as sent.")]
DeadlineOption = Annotated[
    int | None,
    typer.Option(
        metavar="MINUTES",
        help="Minutes after an hour's end by which it must be loaded. "
        "Default: CLICKSTREAM_FRESHNESS_DEADLINE_MINUTES, which is 120 unless it is set.",
    ),
]


@events_app.command("list")
@handle_errors
def list_events(
    context: typer.Context,
    customer: CustomerArgument,
    state: Annotated[list[EventState] | None, typer.Option(help="Only events in this state; may be repeated.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List a customer's events."""
    with opened(context) as service:
        events = service.list_events(customer, state or None)
    if as_json:
        print_json([to_document(event) for event in events])
        return
    columns = (
        "event",
        "name",
        "state",
        "first seen",
        "last seen",
        "records seen",
        "waiting",
        "contract",
        "deadline, minutes",
    )
    print_table(
        columns,
        [
            (
                event.slug,
                event.display_name,
                event.state,
                event.first_seen_hour,
                event.last_seen_hour,
                event.seen_records,
                event.waiting_records,
                event.contract_version,
                event.freshness_deadline_minutes,
            )
            for event in events
        ],
        title=f"Events of {customer}",
    )


@events_app.command("add")
@handle_errors
def add_event(
    context: typer.Context,
    customer: CustomerArgument,
    name: Annotated[str, typer.Argument(help="The name as sent; its slug becomes the table.")],
    freshness_deadline_minutes: DeadlineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add an event, or bring a removed or discovered one into use."""
    with opened(context) as service:
        slug = known_slug(service, customer, name)
        event = service.add_event(
            customer,
            slug,
            display_name=None if slug == name else name,
            freshness_deadline_minutes=freshness_deadline_minutes,
        )
    show(event, as_json)


@events_app.command("update")
@handle_errors
def update_event(
    context: typer.Context,
    customer: CustomerArgument,
    event: EventArgument,
    display_name: Annotated[str | None, typer.Option(metavar="NAME", help="Name for people.")] = None,
    freshness_deadline_minutes: Annotated[
        int | None,
        typer.Option(
            metavar="MINUTES",
            min=0,
            help="By when an hour must be loaded after its end; 0: as CLICKSTREAM_FRESHNESS_DEADLINE_MINUTES says, "
            "which is 120 unless it is set.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given of an event."""
    deadline: int | Unchanged | None = UNCHANGED
    if freshness_deadline_minutes is not None:
        deadline = freshness_deadline_minutes or None
    with opened(context) as service:
        slug = known_slug(service, customer, event)
        after = service.update_event(customer, slug, display_name=display_name, freshness_deadline_minutes=deadline)
    show(after, as_json)


@events_app.command("sample")
@handle_errors
def sample_event(
    context: typer.Context, customer: CustomerArgument, event: EventArgument, as_json: JsonOption = False
) -> None:
    """Show what a record of the event looks like, its values masked."""
    with opened(context) as service:
        slug = known_slug(service, customer, event)
        found = service.get_sample(customer, slug)
    if found is None and not as_json:
        typer.echo("No sample yet: it is taken when the event next arrives.")
    elif as_json:
        print_json(None if found is None else found)
    elif found is not None:
        print_fields({"taken at": found.taken_at, **found.sample}, title=f"Sample of {customer}/{slug}")


@events_app.command("pause")
@handle_errors
def pause_event(
    context: typer.Context, customer: CustomerArgument, event: EventArgument, as_json: JsonOption = False
) -> None:
    """Stop loading an event for a while; its raw objects are kept."""
    with opened(context) as service:
        after = service.pause_event(customer, known_slug(service, customer, event))
    show(after, as_json)


@events_app.command("resume")
@handle_errors
def resume_event(
    context: typer.Context, customer: CustomerArgument, event: EventArgument, as_json: JsonOption = False
) -> None:
    """Load a paused event again."""
    with opened(context) as service:
        after = service.resume_event(customer, known_slug(service, customer, event))
    show(after, as_json)


@events_app.command("activate")
@handle_errors
def activate_event(
    context: typer.Context, customer: CustomerArgument, event: EventArgument, as_json: JsonOption = False
) -> None:
    """Load an event that arrived by itself and waits."""
    with opened(context) as service:
        after = service.activate_event(customer, known_slug(service, customer, event))
    show(after, as_json)


@events_app.command("remove")
@handle_errors
def remove_event(
    context: typer.Context, customer: CustomerArgument, event: EventArgument, as_json: JsonOption = False
) -> None:
    """Stop loading an event for good; its table stays, and a late object does not bring it back."""
    with opened(context) as service:
        after = service.remove_event(customer, known_slug(service, customer, event))
    show(after, as_json)


def known_slug(service: RegistryService, customer: str, name: str) -> str:
    """Return the slug of an event by its slug or its name as sent: `order` is also found as `Order`'s `_order`."""
    try:
        return service.get_event(customer, name).slug
    except NotFoundError:
        return event_slug(name)
