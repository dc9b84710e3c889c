"""A customer's events: the table of them, one event, adding, pausing, resuming, removing, activating.

Belongs here: what these pages show and what their forms do. Does not: contracts (`contract_pages`), which change of
state is allowed (`registry.rules`).
"""

from __future__ import annotations

from collections import Counter

from starlette.responses import Response

from clickstream_platform.errors import ClickstreamError, RegistryError
from clickstream_platform.model.naming import event_slug
from clickstream_platform.model.streams import UNIDENTIFIED
from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.entities import Event, EventState
from clickstream_platform.registry.pages.figures import event_rows
from clickstream_platform.registry.pages.forms import Fields
from clickstream_platform.registry.pages.gate import PageRoute, problem_status, problem_text
from clickstream_platform.registry.pages.paging import page_of
from clickstream_platform.registry.pages.visits import Visit

EVENTS_PER_PAGE = 100
_IN_USE = (EventState.DISCOVERED, EventState.ACTIVE, EventState.PAUSED)


def show_events(visit: Visit, error: ClickstreamError | None = None) -> Response:
    """Show a customer's events; without a filter those that are not removed."""
    slug, now = visit.part("customer"), visit.desk.clock.now()
    customer = visit.registry.get_customer(slug)
    events = visit.registry.list_events(slug)
    state, search = visit.asked("state"), visit.asked("q").strip()
    wanted = [each for each in EventState if each == state] or list(_IN_USE)
    if customer.removed_at is not None and not state:
        wanted = list(EventState)
    found = [event for event in events if event.state in wanted and _matches(event, search)]
    shown, paging = page_of(found, visit.asked("page"), EVENTS_PER_PAGE)
    figures = visit.desk.figures.of_customer(customer, now)
    return visit.show(
        "customer.html",
        status=200 if error is None else problem_status(error),
        problem="" if error is None else problem_text(error),
        customer=customer,
        rows=event_rows(shown, figures, now),
        figures=figures,
        nameless=figures.by_event.get(UNIDENTIFIED),
        paging=paging,
        states=Counter(event.state for event in events),
        all_states=list(EventState),
        state=state,
        search=search,
    )


def _matches(event: Event, search: str) -> bool:
    return search.casefold() in event.slug or search.casefold() in event.display_name.casefold()


def new_event(visit: Visit) -> Response:
    """Show the form of a new event."""
    return _show_new(visit)


def add_event(visit: Visit) -> Response:
    """Add an event; its slug, and so its table, is made from the name unless one was typed."""
    fields, customer = Fields(visit.form), visit.part("customer")
    try:
        name = fields.required("name", "Name")
        event = visit.registry.add_event(
            customer,
            fields.text("slug") or event_slug(name),
            display_name=name,
            freshness_deadline_minutes=fields.optional_number("deadline", "Deadline"),
        )
    except RegistryError as error:
        return _show_new(visit, error)
    return visit.go("customers", customer, "events", event.slug, said="event-added")


def _show_new(visit: Visit, error: ClickstreamError | None = None) -> Response:
    return visit.show(
        "event-new.html",
        status=200 if error is None else problem_status(error),
        problem="" if error is None else problem_text(error),
        customer=visit.registry.get_customer(visit.part("customer")),
        form={"name": "", "slug": "", "deadline": "", **visit.form},
    )


def show_event(visit: Visit, error: ClickstreamError | None = None) -> Response:
    """Show all that is known of one event, its sample record among it."""
    slug, now = visit.part("customer"), visit.desk.clock.now()
    customer = visit.registry.get_customer(slug)
    event = visit.registry.get_event(slug, visit.part("event"))
    figures = visit.desk.figures.of_customer(customer, now)
    (row,) = event_rows([event], figures, now)
    return visit.show(
        "event.html",
        status=200 if error is None else problem_status(error),
        problem="" if error is None else problem_text(error),
        customer=customer,
        event=event,
        row=row,
        figures=figures,
        sample=visit.registry.get_sample(slug, event.slug),
    )


def change_event(visit: Visit) -> Response:
    """Store an event's name for people and its deadline."""
    fields, customer, slug = Fields(visit.form), visit.part("customer"), visit.part("event")
    try:
        visit.registry.update_event(
            customer,
            slug,
            display_name=fields.required("display_name", "Name"),
            freshness_deadline_minutes=fields.optional_number("deadline", "Deadline"),
            expected_revision=fields.revision(),
        )
    except RegistryError as error:
        return show_event(visit, error)
    return visit.go("customers", customer, "events", slug, said="event-saved")


def confirm_removal(visit: Visit) -> Response:
    """Say what removing an event means, and ask."""
    customer = visit.registry.get_customer(visit.part("customer"))
    event = visit.registry.get_event(customer.slug, visit.part("event"))
    return visit.show("event-remove.html", customer=customer, event=event)


def move_event(visit: Visit) -> Response:
    """Change the state of an event by the last word of the path, and go back to where the button was."""
    customer, slug = visit.part("customer"), visit.part("event")
    action = visit.request.url.path.rpartition("/")[2]
    registry, fields = visit.registry, Fields(visit.form)
    actions = {
        "pause": registry.pause_event,
        "resume": registry.resume_event,
        "activate": registry.activate_event,
        "bring-back": registry.add_event,
        "remove": registry.remove_event,
    }
    is_from_event = fields.text("from") == "event"
    try:
        actions[action](customer, slug, expected_revision=fields.revision())
    except RegistryError as error:
        return show_event(visit, error) if is_from_event else show_events(visit, error)
    said = f"event-{action}"
    return (
        visit.go("customers", customer, "events", slug, said=said)
        if is_from_event
        else visit.go("customers", customer, said=said, about=slug)
    )


_EVENT = "/customers/{customer}/events/{event}"
EVENT_ROUTES = (
    PageRoute("GET", "/customers/{customer}", Permission.READ, show_events),
    PageRoute("GET", "/customers/{customer}/events/add-event", Permission.WRITE_EVENTS, new_event),
    PageRoute("POST", "/customers/{customer}/events/add-event", Permission.WRITE_EVENTS, add_event),
    PageRoute("GET", _EVENT, Permission.READ, show_event),
    PageRoute("POST", _EVENT, Permission.WRITE_EVENTS, change_event),
    PageRoute("GET", f"{_EVENT}/remove", Permission.WRITE_EVENTS, confirm_removal),
    *(
        PageRoute("POST", f"{_EVENT}/{action}", Permission.WRITE_EVENTS, move_event)
        for action in ("pause", "resume", "activate", "bring-back", "remove")
    ),
)
