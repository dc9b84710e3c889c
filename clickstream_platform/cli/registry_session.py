"""What all `clickstream registry …` commands share: opening the registry as its options say, and showing one entity.

Belongs here: nothing that only one group of commands needs. Does not: commands (`cli.registry` and its siblings).
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated, cast

import typer

from clickstream_platform.cli.support import print_fields, print_json
from clickstream_platform.registry.documents import Entity, kind_and_name, to_document
from clickstream_platform.registry.entities import ApiToken, WriteKey
from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.refusals import InvalidRequestError
from clickstream_platform.registry.service import RegistryService

QuietOption = Annotated[bool, typer.Option("--quiet", help="Print nothing but the secret, to go into a file.")]
ExpiresInOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="How long it is good: 12h, 30d, 8w. Default: until it is revoked.")
]
CustomerArgument = Annotated[str, typer.Argument(metavar="CUSTOMER", help="Slug of the customer.")]


@contextmanager
def opened(context: typer.Context) -> Iterator[RegistryService]:
    """Open the registry that the options name, for the person who gave them."""
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.settings import load_settings

    url, actor = cast("tuple[str | None, str | None]", context.obj)
    with open_registry(url or load_settings().registry, SystemClock()) as service:
        yield service.acting_as(actor or f"cli:{_user()}")


def show(entity: Entity, as_json: bool) -> None:
    """Print one entity."""
    document = to_document(entity)
    if as_json:
        print_json(document)
    else:
        print_fields(document, title=_title(entity))


def show_secret(entity: WriteKey | ApiToken, name: str, text: str, quiet: bool, as_json: bool) -> None:
    """Print a new key or token with its text, or quietly nothing but the text, so that it can go into a file."""
    if quiet and as_json:
        raise InvalidRequestError(
            "printing a secret", cause="--quiet and --json exclude each other", remedy="Give one of them."
        )
    if quiet:
        typer.echo(text)
        return
    document = {**to_document(entity), name: text}
    if as_json:
        print_json(document)
    else:
        print_fields(document, title=_title(entity))
    typer.echo(f"The {name} is not stored: it is shown only now.", err=True)


def expiry(expires_in: str | None) -> datetime | None:
    """Return the time that is `12h`, `30d` or `8w` from now; raise InvalidRequestError for anything else."""
    if expires_in is None:
        return None
    from clickstream_platform.gateways.clock import SystemClock

    match = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", expires_in)
    if match is None:
        raise InvalidRequestError(
            "reading when it expires",
            where=repr(expires_in),
            cause="it is no number of hours, days or weeks",
            remedy="Write it as 12h, 30d or 8w.",
        )
    hours = {"h": 1, "d": 24, "w": 24 * 7}[match[2]]
    return SystemClock().now() + timedelta(hours=int(match[1]) * hours)


def _title(entity: Entity) -> str:
    kind, customer, name = kind_and_name(entity)
    shown = kind.replace("_", " ").capitalize()
    return f"{shown} {customer}/{name}" if kind in {"event", "contract"} else f"{shown} {name}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container may run as a number that no user has
