"""`clickstream registry customers …`.

Belongs here: reading options, calling the service, printing. Does not: any rule (`registry.service`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from clickstream_platform.cli.registry_session import CustomerArgument, opened, show
from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table
from clickstream_platform.model.naming import customer_slug
from clickstream_platform.registry.documents import to_document
from clickstream_platform.registry.entities import DEFAULT_DESTINATION, Policy, SchemaMode

customers_app = typer.Typer(help="Customers: whose data it is.", no_args_is_help=True)

AutoActivateOption = Annotated[
    bool | None,
    typer.Option("--auto-activate/--no-auto-activate", help="Whether a new event is loaded at once or waits."),
]
SchemaModeOption = Annotated[SchemaMode | None, typer.Option(help="What becomes of new columns.")]
DedupWindowOption = Annotated[int | None, typer.Option(help="Hours either side in which an id loads once.")]
ColumnLimitOption = Annotated[int | None, typer.Option(help="Columns a table may have.")]
LoadThresholdOption = Annotated[
    int | None, typer.Option(metavar="PERCENT", help="Greatest share of rejected records with which an hour is loaded.")
]
RetentionOption = Annotated[
    int | None, typer.Option(metavar="DAYS", min=0, help="Days back that a backfill reaches; 0 for all that is kept.")
]
RateOption = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="Events a second that a collector takes; 0 for its default.")
]


@customers_app.command("list")
@handle_errors
def list_customers(
    context: typer.Context,
    removed: Annotated[bool, typer.Option("--removed", help="Tombstones too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the customers."""
    with opened(context) as service:
        customers = service.list_customers(include_removed=removed)
    if as_json:
        print_json([to_document(customer) for customer in customers])
        return
    columns = ("customer", "name", "destination", "new events", "schema mode", "isolated", "created", "removed")
    print_table(
        columns,
        [
            (
                customer.slug,
                customer.display_name,
                customer.destination,
                "loaded at once" if customer.policy.auto_activate else "wait",
                customer.policy.schema_mode,
                customer.isolated,
                customer.created_at,
                customer.removed_at,
            )
            for customer in customers
        ],
    )


@customers_app.command("add")
@handle_errors
def add_customer(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name for people; its slug becomes schema and key.")],
    destination: Annotated[str, typer.Option(help="Name of the destination.")] = DEFAULT_DESTINATION,
    isolated: Annotated[bool, typer.Option("--isolated", help="Never share a run with other customers.")] = False,
    auto_activate: AutoActivateOption = None,
    schema_mode: SchemaModeOption = None,
    dedup_window_hours: DedupWindowOption = None,
    column_limit: ColumnLimitOption = None,
    load_threshold_percent: LoadThresholdOption = None,
    retention_days: RetentionOption = None,
    events_per_second: RateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a customer."""
    policy = _changed_policy(
        Policy(),
        {"retention_days": retention_days, "events_per_second": events_per_second},
        auto_activate=auto_activate,
        schema_mode=schema_mode,
        dedup_window_hours=dedup_window_hours,
        column_limit=column_limit,
        load_threshold_percent=load_threshold_percent,
    )
    with opened(context) as service:
        customer = service.add_customer(
            customer_slug(name), display_name=name, policy=policy, destination=destination, isolated=isolated
        )
    show(customer, as_json)


@customers_app.command("show")
@handle_errors
def show_customer(context: typer.Context, customer: CustomerArgument, as_json: JsonOption = False) -> None:
    """Show one customer."""
    with opened(context) as service:
        found = service.get_customer(customer)
    show(found, as_json)


@customers_app.command("set-policy")
@handle_errors
def set_policy(
    context: typer.Context,
    customer: CustomerArgument,
    auto_activate: AutoActivateOption = None,
    schema_mode: SchemaModeOption = None,
    dedup_window_hours: DedupWindowOption = None,
    column_limit: ColumnLimitOption = None,
    load_threshold_percent: LoadThresholdOption = None,
    retention_days: RetentionOption = None,
    events_per_second: RateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given of a customer's policy."""
    with opened(context) as service:
        before = service.get_customer(customer)
        policy = _changed_policy(
            before.policy,
            {"retention_days": retention_days, "events_per_second": events_per_second},
            auto_activate=auto_activate,
            schema_mode=schema_mode,
            dedup_window_hours=dedup_window_hours,
            column_limit=column_limit,
            load_threshold_percent=load_threshold_percent,
        )
        after = service.update_customer_policy(customer, policy, expected_revision=before.revision)
    show(after, as_json)


@customers_app.command("update")
@handle_errors
def update_customer(
    context: typer.Context,
    customer: CustomerArgument,
    display_name: Annotated[str | None, typer.Option(metavar="NAME", help="Name for people.")] = None,
    isolated: Annotated[
        bool | None, typer.Option("--isolated/--not-isolated", help="Whether it never shares a run with others.")
    ] = None,
    load_threshold_percent: LoadThresholdOption = None,
    retention_days: RetentionOption = None,
    events_per_second: RateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given of a customer, as one change."""
    with opened(context) as service:
        before = service.get_customer(customer)
        bounds = {"retention_days": retention_days, "events_per_second": events_per_second}
        policy = _changed_policy(before.policy, bounds, load_threshold_percent=load_threshold_percent)
        after = service.update_customer(
            customer,
            display_name=display_name,
            policy=policy,
            isolated=isolated,
            expected_revision=before.revision,
        )
    show(after, as_json)


@customers_app.command("set-destination")
@handle_errors
def set_destination(
    context: typer.Context,
    customer: CustomerArgument,
    destination: Annotated[str, typer.Argument(help="Name of the destination.")],
    as_json: JsonOption = False,
) -> None:
    """Send a customer's coming hours to another destination; what is loaded stays where it is."""
    with opened(context) as service:
        after = service.set_destination(customer, destination)
    show(after, as_json)


@customers_app.command("remove")
@handle_errors
def remove_customer(context: typer.Context, customer: CustomerArgument, as_json: JsonOption = False) -> None:
    """Stop loading a customer and all its events; tables and raw objects stay."""
    with opened(context) as service:
        after = service.remove_customer(customer)
    show(after, as_json)


@customers_app.command("restore")
@handle_errors
def restore_customer(context: typer.Context, customer: CustomerArgument, as_json: JsonOption = False) -> None:
    """Bring a removed customer back; add its events again one by one."""
    with opened(context) as service:
        after = service.restore_customer(customer)
    show(after, as_json)


def _changed_policy(policy: Policy, bounds: Mapping[str, int | None], **given: object) -> Policy:
    """Return the policy with what is given; None is not given, and a bound of 0 is none."""
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    changed |= {name: value or None for name, value in bounds.items() if value is not None}
    return replace(policy, **changed)
