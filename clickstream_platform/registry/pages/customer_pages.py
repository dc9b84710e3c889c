"""Customers: the list, adding one, its settings, removing and restoring it.

Belongs here: what these pages show and what their forms do. Does not: a customer's events (`event_pages`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from clickstream_platform.errors import ClickstreamError, RegistryError
from clickstream_platform.model.naming import customer_slug
from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.entities import DEFAULT_DESTINATION, Customer, EventState, Policy
from clickstream_platform.registry.pages.event_pages import show_events
from clickstream_platform.registry.pages.forms import Fields
from clickstream_platform.registry.pages.gate import PageRoute, problem_status, problem_text
from clickstream_platform.registry.pages.paging import page_of
from clickstream_platform.registry.pages.visits import Visit

CUSTOMERS_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """One line of the list."""

    customer: Customer
    states: Mapping[EventState, int]
    """How many of its events are in each state."""


def show_customers(visit: Visit) -> Response:
    """List the customers, or send somebody with a token for one customer to that one."""
    if visit.principal.customer is not None:
        return visit.go("customers", visit.principal.customer)
    search, include_removed = visit.asked("q").strip(), visit.asked("removed") == "yes"
    found = [
        customer
        for customer in visit.registry.list_customers(include_removed=include_removed)
        if search.casefold() in customer.slug or search.casefold() in customer.display_name.casefold()
    ]
    shown, paging = page_of(found, visit.asked("page"), CUSTOMERS_PER_PAGE)
    rows = [CustomerRow(customer, _states(visit, customer)) for customer in shown]
    return visit.show(
        "customers.html",
        rows=rows,
        paging=paging,
        search=search,
        include_removed=include_removed,
        states=list(EventState),
    )


def _states(visit: Visit, customer: Customer) -> Counter[EventState]:
    return Counter(event.state for event in visit.registry.list_events(customer.slug))


def new_customer(visit: Visit) -> Response:
    """Show the form of a new customer."""
    return _show_new(visit)


def add_customer(visit: Visit) -> Response:
    """Add a customer; its slug is made from the name unless one was typed."""
    fields = Fields(visit.form)
    try:
        name = fields.required("name", "Name")
        customer = visit.registry.add_customer(
            fields.text("slug") or customer_slug(name),
            display_name=name,
            policy=Policy(auto_activate=fields.flag("auto_activate")),
            destination=fields.text("destination") or DEFAULT_DESTINATION,
        )
    except RegistryError as error:
        return _show_new(visit, error)
    return visit.go("customers", customer.slug, said="customer-added")


def _show_new(visit: Visit, error: ClickstreamError | None = None) -> Response:
    return visit.show(
        "customer-new.html",
        status=200 if error is None else problem_status(error),
        problem="" if error is None else problem_text(error),
        destinations=[each.name for each in visit.registry.list_destinations()],
        form={"name": "", "slug": "", "destination": DEFAULT_DESTINATION, "auto_activate": "yes"}
        if error is None
        else {"name": "", "slug": "", "destination": "", "auto_activate": "", **visit.form},
    )


def show_settings(visit: Visit) -> Response:
    """Show a customer's policy, destination and isolation, as a form for those who may change them."""
    return _show_settings(visit)


def change_settings(visit: Visit) -> Response:
    """Store a customer's settings."""
    fields, slug = Fields(visit.form), visit.part("customer")
    try:
        visit.registry.update_customer(
            slug,
            display_name=fields.required("display_name", "Name"),
            policy=_policy(fields),
            destination=fields.text("destination"),
            isolated=fields.flag("isolated"),
            expected_revision=fields.revision(),
        )
    except RegistryError as error:
        return _show_settings(visit, error)
    return visit.go("customers", slug, "settings", said="settings-saved")


def _policy(fields: Fields) -> Policy:
    return Policy(
        auto_activate=fields.flag("auto_activate"),
        schema_mode=fields.text("schema_mode"),  # type: ignore[arg-type] # the registry refuses any other
        dedup_window_hours=fields.number("dedup_window_hours", "Window for duplicates"),
        column_limit=fields.number("column_limit", "Columns of a table"),
        load_threshold_percent=fields.number("load_threshold_percent", "Rejected records at most"),
        retention_days=fields.optional_number("retention_days", "Reach of a back-fill"),
        events_per_second=fields.optional_number("events_per_second", "Events a second"),
    )


def _show_settings(visit: Visit, error: ClickstreamError | None = None) -> Response:
    customer = visit.registry.get_customer(visit.part("customer"))
    sees_destinations = visit.may(Permission.READ_DESTINATIONS)
    return visit.show(
        "customer-settings.html",
        status=200 if error is None else problem_status(error),
        problem="" if error is None else problem_text(error),
        entered={} if error is None else {n: v for n, v in visit.form.items() if n not in {"csrf", "revision"}},
        customer=customer,
        destinations=[each.name for each in visit.registry.list_destinations()] if sees_destinations else [],
    )


def confirm_removal(visit: Visit) -> Response:
    """Say what removing a customer means, and ask."""
    customer = visit.registry.get_customer(visit.part("customer"))
    events = [each for each in visit.registry.list_events(customer.slug) if each.state is not EventState.REMOVED]
    return visit.show("customer-remove.html", customer=customer, events=len(events))


def remove_customer(visit: Visit) -> Response:
    """Remove a customer with all its events."""
    slug = visit.part("customer")
    try:
        visit.registry.remove_customer(slug, expected_revision=Fields(visit.form).revision())
    except RegistryError as error:
        return show_events(visit, error)
    return visit.go("customers", slug, said="customer-removed")


def restore_customer(visit: Visit) -> Response:
    """Bring a removed customer back."""
    slug = visit.part("customer")
    try:
        visit.registry.restore_customer(slug, expected_revision=Fields(visit.form).revision())
    except RegistryError as error:
        return show_events(visit, error)
    return visit.go("customers", slug, said="customer-restored")


CUSTOMER_ROUTES = (
    PageRoute("GET", "/", Permission.READ, show_customers),
    PageRoute("GET", "/customers", Permission.READ, show_customers),
    PageRoute("GET", "/customers/add-customer", Permission.WRITE_CUSTOMERS, new_customer),
    PageRoute("POST", "/customers/add-customer", Permission.WRITE_CUSTOMERS, add_customer),
    PageRoute("GET", "/customers/{customer}/settings", Permission.READ, show_settings),
    PageRoute("POST", "/customers/{customer}/settings", Permission.WRITE_CUSTOMERS, change_settings),
    PageRoute("GET", "/customers/{customer}/remove", Permission.WRITE_CUSTOMERS, confirm_removal),
    PageRoute("POST", "/customers/{customer}/remove", Permission.WRITE_CUSTOMERS, remove_customer),
    PageRoute("POST", "/customers/{customer}/restore", Permission.WRITE_CUSTOMERS, restore_customer),
)
