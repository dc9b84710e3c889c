"""`clickstream registry destinations …`.

Belongs here: reading options, calling the service, printing. Does not: any rule (`registry.service`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from clickstream_platform.cli.registry_session import opened, show
from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table
from clickstream_platform.registry.documents import to_document
from clickstream_platform.registry.entities import Destination, DestinationKind
from clickstream_platform.registry.refusals import InvalidRequestError

destinations_app = typer.Typer(help="Destinations: the warehouses that tables are in.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the destination.")]
KindOption = Annotated[DestinationKind, typer.Option(help="Kind of warehouse.")]
SettingOption = Annotated[list[str] | None, typer.Option("--setting", metavar="NAME=VALUE", help="Connection setting.")]
SecretOption = Annotated[str | None, typer.Option(help="Where the secret is kept; never the secret itself.")]
SchemaOption = Annotated[str | None, typer.Option(help="A fixed schema, for one customer only; else one per customer.")]


@destinations_app.command("list")
@handle_errors
def list_destinations(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the destinations."""
    with opened(context) as service:
        destinations = service.list_destinations()
    if as_json:
        print_json([to_document(destination) for destination in destinations])
        return
    rows = [
        (
            each.name,
            each.kind,
            each.schema,
            ", ".join(f"{k}={v}" for k, v in each.settings.items()),
            each.secret_reference,
        )
        for each in destinations
    ]
    print_table(("destination", "kind", "fixed schema", "settings", "secret reference"), rows)


@destinations_app.command("add")
@handle_errors
def add_destination(
    context: typer.Context,
    name: NameArgument,
    kind: KindOption,
    setting: SettingOption = None,
    secret_reference: SecretOption = None,
    schema: SchemaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a destination."""
    with opened(context) as service:
        added = service.add_destination(Destination(name, kind, _settings(setting), secret_reference, schema))
    show(added, as_json)


@destinations_app.command("replace")
@handle_errors
def replace_destination(
    context: typer.Context,
    name: NameArgument,
    kind: KindOption,
    setting: SettingOption = None,
    secret_reference: SecretOption = None,
    schema: SchemaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace all of a destination by what is given."""
    with opened(context) as service:
        revision = service.get_destination(name).revision
        destination = Destination(name, kind, _settings(setting), secret_reference, schema, revision)
        replaced = service.replace_destination(destination)
    show(replaced, as_json)


@destinations_app.command("show")
@handle_errors
def show_destination(
    context: typer.Context,
    name: NameArgument,
    as_json: JsonOption = False,
) -> None:
    """Show one destination."""
    with opened(context) as service:
        found = service.get_destination(name)
    show(found, as_json)


def _settings(pairs: list[str] | None) -> dict[str, str]:
    settings: dict[str, str] = {}
    for pair in pairs or []:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            # The text is left out of the message: it may be a secret.
            raise InvalidRequestError("reading a setting", cause="it has no name or no `=`", remedy="Write NAME=VALUE.")
        settings[name] = value
    return settings
