"""The contract of an event: its versions, writing the next one, inferring it, trying it before it is in force.

Belongs here: the page and its forms. Does not: reading records (behind `registry.ports.ContractProbe`), what a contract
does (`registry.entities.Contract`).
"""

from __future__ import annotations

import threading
from typing import Any

from starlette.responses import Response

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.registry.access import Permission
from clickstream_platform.registry.entities import Contract
from clickstream_platform.registry.pages.forms import Fields
from clickstream_platform.registry.pages.gate import PageRoute, problem_status, problem_text
from clickstream_platform.registry.pages.rendering import pretty_json
from clickstream_platform.registry.pages.visits import Visit
from clickstream_platform.registry.ports import DryRun
from clickstream_platform.registry.refusals import ConflictError, InvalidRequestError

DEFAULT_HOURS, MAX_HOURS = 24, 168
_EMPTY_SCHEMA = '{\n  "type": "object",\n  "properties": {}\n}'
# Reading hours of raw objects is work: two at a time leave the service free to answer.
_PROBES = threading.BoundedSemaphore(2)


def show_contract(visit: Visit) -> Response:
    """Show the versions of an event's contract and the form of the next one."""
    return _show(visit)


def show_version(visit: Visit) -> Response:
    """Show one version of a contract."""
    customer = visit.registry.get_customer(visit.part("customer"))
    event = visit.registry.get_event(customer.slug, visit.part("event"))
    number = Fields(visit.request.path_params).number("version", "Version")
    contract = visit.registry.get_contract(customer.slug, event.slug, number)
    return visit.show("contract-version.html", customer=customer, event=event, contract=contract)


def write_contract(visit: Visit) -> Response:
    """Do what the button that was pressed says: infer a schema, try the contract, or store it as a new version."""
    todo = visit.form.get("do", "")
    try:
        if todo == "infer":
            return _infer(visit)
        if todo == "dry-run":
            contract = _contract_of(visit)
            return _show(visit, dry_run=_probe(visit, contract))
        return _store(visit, activate=todo == "switch-on")
    except ClickstreamError as error:
        return _show(visit, error)


def set_version(visit: Visit) -> Response:
    """Put a version in force, or take the contract off."""
    fields, customer, event = Fields(visit.form), visit.part("customer"), visit.part("event")
    try:
        version = fields.optional_number("version", "Version")
        visit.registry.set_contract_version(customer, event, version, expected_revision=fields.revision())
    except ClickstreamError as error:
        return _show(visit, error)
    said = "contract-off" if version is None else "contract-on"
    return visit.go("customers", customer, "events", event, "contract", said=said)


def _store(visit: Visit, *, activate: bool) -> Response:
    fields, customer, event = Fields(visit.form), visit.part("customer"), visit.part("event")
    visit.registry.add_contract(
        customer,
        event,
        fields.text("mode"),  # type: ignore[arg-type] # the registry refuses any other
        fields.document("schema", "Schema"),
        note=fields.text("note"),
        activate=activate,
        expected_revision=fields.revision(),
    )
    said = "contract-on" if activate else "contract-kept"
    return visit.go("customers", customer, "events", event, "contract", said=said)


def _infer(visit: Visit) -> Response:
    hours = _hours(visit)
    probe = visit.desk.probe
    if probe is None or not _PROBES.acquire(blocking=False):
        raise _no_probe(is_busy=probe is not None)
    try:
        schema = probe.infer(visit.part("customer"), visit.part("event"), hours)
    finally:
        _PROBES.release()
    return _show(visit, schema=pretty_json(schema), is_inferred=True)


def _probe(visit: Visit, contract: Contract) -> DryRun:
    hours = _hours(visit)
    probe = visit.desk.probe
    if probe is None or not _PROBES.acquire(blocking=False):
        raise _no_probe(is_busy=probe is not None)
    try:
        return probe.dry_run(contract, hours)
    finally:
        _PROBES.release()


def _hours(visit: Visit) -> int:
    hours = Fields(visit.form).number("hours", "Hours")
    if not 1 <= hours <= MAX_HOURS:
        raise InvalidRequestError(
            "reading a form", where="hours", cause=f"{hours} hours cannot be read", remedy=f"Give 1 to {MAX_HOURS}."
        )
    return hours


def _contract_of(visit: Visit) -> Contract:
    """Return the contract of the form as if it were the next version; its mode is checked when it is stored."""
    fields = Fields(visit.form)
    return Contract(
        customer=visit.part("customer"),
        event=visit.part("event"),
        version=0,
        mode=fields.text("mode"),  # type: ignore[arg-type]
        schema=fields.document("schema", "Schema"),
        note="",
        created_at=visit.desk.clock.now(),
        created_by=visit.principal.name,
    )


def _show(
    visit: Visit,
    error: ClickstreamError | None = None,
    *,
    schema: str | None = None,
    is_inferred: bool = False,
    dry_run: DryRun | None = None,
) -> Response:
    customer = visit.registry.get_customer(visit.part("customer"))
    event = visit.registry.get_event(customer.slug, visit.part("event"))
    contracts = visit.registry.list_contracts(customer.slug, event.slug)
    return visit.show(
        "contract.html",
        status=200 if error is None else problem_status(error),
        problem="" if error is None else problem_text(error),
        customer=customer,
        event=event,
        contracts=contracts,
        form=_form(visit, contracts, schema),
        has_probe=visit.desk.probe is not None,
        is_inferred=is_inferred,
        dry_run=dry_run,
        max_hours=MAX_HOURS,
    )


def _form(visit: Visit, contracts: list[Contract], schema: str | None) -> dict[str, Any]:
    """Return the values of the form: what was typed is kept, else it starts from the newest version."""
    newest = contracts[0] if contracts else None
    start = {
        "schema": _EMPTY_SCHEMA if newest is None else pretty_json(newest.schema),
        "mode": "evolve" if newest is None else newest.mode,
        "note": "",
        "hours": str(DEFAULT_HOURS),
    }
    typed = start | {name: value for name, value in visit.form.items() if name in start}
    return typed if schema is None else typed | {"schema": schema}


def _no_probe(*, is_busy: bool) -> ConflictError:
    cause = "other records are being read for somebody else" if is_busy else "this registry cannot read raw records"
    remedy = "Try again in a moment." if is_busy else "Start it with access to the object store."
    return ConflictError("reading records for a contract", cause=cause, remedy=remedy)


_CONTRACT = "/customers/{customer}/events/{event}/contract"
CONTRACT_ROUTES = (
    PageRoute("GET", _CONTRACT, Permission.READ, show_contract),
    PageRoute("POST", _CONTRACT, Permission.WRITE_EVENTS, write_contract),
    PageRoute("POST", f"{_CONTRACT}/version", Permission.WRITE_EVENTS, set_version),
    PageRoute("GET", f"{_CONTRACT}/versions/{{version}}", Permission.READ, show_version),
)
