"""`clickstream registry tokens …`.

Belongs here: reading options, calling the service, printing a secret once. Does not: any rule (`registry.service`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from clickstream_platform.cli.registry_session import (
    ExpiresInOption,
    QuietOption,
    expiry,
    opened,
    show,
    show_secret,
)
from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table
from clickstream_platform.registry.access import Scope
from clickstream_platform.registry.documents import to_document

tokens_app = typer.Typer(help="API tokens: what people and services show the registry's API.", no_args_is_help=True)


@tokens_app.command("list")
@handle_errors
def list_tokens(
    context: typer.Context,
    revoked: Annotated[bool, typer.Option("--revoked", help="Revoked ones too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the API tokens; none of them can be shown again."""
    with opened(context) as service:
        tokens = [token for token in service.list_tokens() if revoked or token.revoked_at is None]
    if as_json:
        print_json([to_document(token) for token in tokens])
        return
    columns = ("id", "name", "scope", "customer", "created", "expires", "last used", "revoked")
    rows = [
        (
            token.id,
            token.name,
            token.scope,
            token.customer,
            token.created_at,
            token.expires_at,
            token.last_used_at,
            token.revoked_at,
        )
        for token in tokens
    ]
    print_table(columns, rows)


@tokens_app.command("add")
@handle_errors
def add_token(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name for people: who has it.")],
    scope: Annotated[Scope, typer.Option(help="What it may do.")],
    customer: Annotated[
        str | None, typer.Option(metavar="CUSTOMER", help="The one customer of a customer's token.")
    ] = None,
    expires_in: ExpiresInOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add an API token and show it, once."""
    with opened(context) as service:
        token, text = service.add_token(name, scope, customer=customer, expires_at=expiry(expires_in))
    show_secret(token, "token", text, quiet, as_json)


@tokens_app.command("revoke")
@handle_errors
def revoke_token(
    context: typer.Context,
    token_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the token, as `list` shows it.")],
    as_json: JsonOption = False,
) -> None:
    """Take an API token back at once, and with it the sessions it opened."""
    with opened(context) as service:
        after = service.revoke_token(token_id)
    show(after, as_json)
