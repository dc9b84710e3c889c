"""Destinations: reading them, and adding or replacing one for those who may.

Belongs here: the pages and their form. Does not: which settings a warehouse needs (`warehouses`), secrets: a page only
ever shows where one is kept.
"""

from __future__ import annotations

from collections import Counter

from starlette.responses import Response

from clickstream_platform.errors import ClickstreamError, RegistryError
from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.entities import Destination
from clickstream_platform.registry.pages.forms import Fields
from clickstream_platform.registry.pages.gate import PageRoute, problem_status, problem_text
from clickstream_platform.registry.pages.visits import Visit


def show_destinations(visit: Visit) -> Response:
    """Show all destinations and how many customers each has."""
    users = Counter(customer.destination for customer in visit.registry.list_customers())
    return visit.show("destinations.html", destinations=visit.registry.list_destinations(), users=users)


def new_destination(visit: Visit) -> Response:
    """Show the form of a new destination."""
    return _show_form(visit)


def edit_destination(visit: Visit) -> Response:
    """Show the form of a destination that exists."""
    return _show_form(visit)


def add_destination(visit: Visit) -> Response:
    """Add a destination."""
    try:
        found = _destination_of(visit, Fields(visit.form).text("name"), revision=1)
        visit.registry.add_destination(found)
    except RegistryError as error:
        return _show_form(visit, error)
    return visit.go("destinations", said="destination-added")


def replace_destination(visit: Visit) -> Response:
    """Replace a destination; customers' coming hours go to it as it is then."""
    try:
        found = _destination_of(visit, visit.part("destination"), Fields(visit.form).revision())
        visit.registry.replace_destination(found)
    except RegistryError as error:
        return _show_form(visit, error)
    return visit.go("destinations", said="destination-saved")


def _destination_of(visit: Visit, name: str, revision: int) -> Destination:
    fields = Fields(visit.form)
    return Destination(
        name=name,
        kind=fields.text("kind"),  # type: ignore[arg-type] # the registry refuses any other
        settings=fields.assignments("settings", "Settings"),
        secret_reference=fields.text("secret_reference") or None,
        schema=fields.text("schema") or None,
        revision=revision,
    )


def _show_form(visit: Visit, error: ClickstreamError | None = None) -> Response:
    name = visit.request.path_params.get("destination")
    found = None if name is None else visit.registry.get_destination(name)
    form = {"name": "", "kind": "redshift", "settings": "", "secret_reference": "", "schema": ""}
    if found is not None:
        form = {
            "name": found.name,
            "kind": found.kind,
            "settings": "\n".join(f"{key} = {value}" for key, value in found.settings.items()),
            "secret_reference": found.secret_reference or "",
            "schema": found.schema or "",
        }
    return visit.show(
        "destination.html",
        status=200 if error is None else problem_status(error),
        problem="" if error is None else problem_text(error),
        destination=found,
        form=form | {key: value for key, value in visit.form.items() if (key in form and key != "name") or not found},
    )


DESTINATION_ROUTES = (
    PageRoute("GET", "/destinations", Permission.READ_DESTINATIONS, show_destinations),
    PageRoute("GET", "/destinations/add-destination", Permission.WRITE_DESTINATIONS, new_destination),
    PageRoute("POST", "/destinations/add-destination", Permission.WRITE_DESTINATIONS, add_destination),
    PageRoute("GET", "/destinations/{destination}", Permission.WRITE_DESTINATIONS, edit_destination),
    PageRoute("POST", "/destinations/{destination}", Permission.WRITE_DESTINATIONS, replace_destination),
)
