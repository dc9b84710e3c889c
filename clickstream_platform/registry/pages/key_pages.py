"""A customer's write keys, and the snippets that use them.

Belongs here: making, rotating and revoking a key; showing its secret once, on the answer to the very form. Does not:
what a key is (`registry.write_keys`), the snippets' texts (`snippets`).
"""

from __future__ import annotations

from starlette.responses import Response

from clickstream_platform.errors import ClickstreamError, RegistryError
from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.entities import WriteKey
from clickstream_platform.registry.pages.forms import Fields
from clickstream_platform.registry.pages.gate import PageRoute, problem_status, problem_text
from clickstream_platform.registry.pages.snippets import PLACEHOLDER, snippets_for
from clickstream_platform.registry.pages.visits import Visit

DEFAULT_GRACE_HOURS = 24


def show_keys(visit: Visit) -> Response:
    """Show a customer's keys and the snippets with a place for one."""
    return _show(visit)


def add_key(visit: Visit) -> Response:
    """Make a key and show its secret."""
    fields = Fields(visit.form)
    try:
        key, secret = visit.registry.add_write_key(
            visit.part("customer"), fields.required("name", "Name"), expires_at=fields.day("expires", "Last day")
        )
    except RegistryError as error:
        return _show(visit, error)
    return _show(visit, made=key, secret=secret)


def rotate_key(visit: Visit) -> Response:
    """Make a key that takes another's place and show its secret; the other one is taken for some hours more."""
    fields = Fields(visit.form)
    try:
        key, secret = visit.registry.rotate_write_key(
            visit.part("customer"),
            visit.part("key"),
            grace_hours=fields.number("grace_hours", "Hours"),
            expected_revision=fields.revision(),
        )
    except RegistryError as error:
        return _show(visit, error)
    return _show(visit, made=key, secret=secret)


def ask_about_key(visit: Visit) -> Response:
    """Say what rotating and revoking a key mean, and ask which is wanted."""
    customer = visit.registry.get_customer(visit.part("customer"))
    key = visit.registry.get_write_key(customer.slug, visit.part("key"))
    return visit.show("key.html", customer=customer, key=key, grace_hours=DEFAULT_GRACE_HOURS)


def revoke_key(visit: Visit) -> Response:
    """Stop taking records with a key, at once."""
    try:
        visit.registry.revoke_write_key(
            visit.part("customer"), visit.part("key"), expected_revision=Fields(visit.form).revision()
        )
    except RegistryError as error:
        return _show(visit, error)
    return visit.go("customers", visit.part("customer"), "keys", said="key-revoked")


def _show(
    visit: Visit, error: ClickstreamError | None = None, *, made: WriteKey | None = None, secret: str | None = None
) -> Response:
    customer, now = visit.registry.get_customer(visit.part("customer")), visit.desk.clock.now()
    keys = visit.registry.list_write_keys(customer.slug)
    return visit.show(
        "keys.html",
        status=200 if error is None else problem_status(error),
        problem="" if error is None else problem_text(error),
        customer=customer,
        # The ones in use first, the newest first among them.
        keys=sorted(keys, key=lambda key: (not key.is_valid(now), -key.created_at.timestamp(), key.id)),
        made=made,
        secret=secret,
        snippets=snippets_for(visit.desk.settings.registry_collector_url, secret or PLACEHOLDER),
        placeholder=PLACEHOLDER,
    )


_KEYS = "/customers/{customer}/keys"
KEY_ROUTES = (
    PageRoute("GET", _KEYS, Permission.READ, show_keys),
    PageRoute("POST", _KEYS, Permission.WRITE_KEYS, add_key),
    PageRoute("GET", f"{_KEYS}/{{key}}", Permission.WRITE_KEYS, ask_about_key),
    PageRoute("POST", f"{_KEYS}/{{key}}/rotate", Permission.WRITE_KEYS, rotate_key),
    PageRoute("POST", f"{_KEYS}/{{key}}/revoke", Permission.WRITE_KEYS, revoke_key),
)
