"""`clickstream registry write-keys …`.

Belongs here: reading options, calling the service, printing a secret once. Does not: any rule (`registry.service`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from clickstream_platform.cli.registry_session import (
    CustomerArgument,
    ExpiresInOption,
    QuietOption,
    expiry,
    opened,
    show,
    show_secret,
)
from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table
from clickstream_platform.registry.documents import to_document
from clickstream_platform.registry.write_keys import DEFAULT_GRACE_HOURS

write_keys_app = typer.Typer(help="Write keys: what a customer's apps send with their records.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the write key, as `list` shows it.")]


@write_keys_app.command("list")
@handle_errors
def list_write_keys(
    context: typer.Context,
    customer: CustomerArgument,
    revoked: Annotated[bool, typer.Option("--revoked", help="Revoked ones too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List a customer's write keys; none of them can be shown again."""
    with opened(context) as service:
        keys = [key for key in service.list_write_keys(customer) if revoked or key.revoked_at is None]
    if as_json:
        print_json([to_document(key) for key in keys])
        return
    columns = ("id", "name", "begins with", "created", "expires", "revoked")
    rows = [(key.id, key.name, key.hint, key.created_at, key.expires_at, key.revoked_at) for key in keys]
    print_table(columns, rows, title=f"Write keys of {customer}")


@write_keys_app.command("add")
@handle_errors
def add_write_key(
    context: typer.Context,
    customer: CustomerArgument,
    name: Annotated[str, typer.Argument(help="Name for people: which app has it.")],
    expires_in: ExpiresInOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add a write key and show it, once."""
    with opened(context) as service:
        key, text = service.add_write_key(customer, name, expires_at=expiry(expires_in))
    show_secret(key, "key", text, quiet, as_json)


@write_keys_app.command("rotate")
@handle_errors
def rotate_write_key(
    context: typer.Context,
    customer: CustomerArgument,
    key_id: IdArgument,
    grace_hours: Annotated[int, typer.Option(help="Hours for which the old key is taken, too.")] = DEFAULT_GRACE_HOURS,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add a new key of the same name, show it once, and let the old one expire."""
    with opened(context) as service:
        key, text = service.rotate_write_key(customer, key_id, grace_hours=grace_hours)
    show_secret(key, "key", text, quiet, as_json)


@write_keys_app.command("revoke")
@handle_errors
def revoke_write_key(
    context: typer.Context, customer: CustomerArgument, key_id: IdArgument, as_json: JsonOption = False
) -> None:
    """Refuse a write key from now on; records sent with it are lost."""
    with opened(context) as service:
        after = service.revoke_write_key(customer, key_id)
    show(after, as_json)
