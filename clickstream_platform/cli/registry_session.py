"""What all `clickstream registry …` commands share: opening the registry as its options say, and showing one entity.

Belongs here: nothing that only one group of commands needs. Does not: commands (`cli.registry` and its siblings).
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, cast

import typer

from clickstream_platform.cli.support import print_fields, print_json
from clickstream_platform.registry.documents import Entity, kind_and_name, to_document
from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.service import RegistryService

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
    kind, customer, name = kind_and_name(entity)
    if as_json:
        print_json(document)
    else:
        print_fields(
            document,
            title=f"{kind.capitalize()} {customer}/{name}" if kind == "event" else f"{kind.capitalize()} {name}",
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container may run as a number that no user has
