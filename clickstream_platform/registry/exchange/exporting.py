"""The registry as a document.

Belongs here: entities → document. Does not: reading them (`reading`), YAML (`yaml_text`).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC
from typing import Any

from clickstream_platform.registry.entities import Contract, Customer, Destination, Event, WriteKey
from clickstream_platform.registry.exchange.layout import VERSION, Document
from clickstream_platform.registry.exchange.reading import Contents, Exchange
from clickstream_platform.registry.service import RegistryService


def export_document(registry: RegistryService) -> Document:
    """Return everything the registry holds but API tokens, tombstones too, as of one moment.

    It has the hashes of write keys, never a key, and references to secrets, never a secret. The hashes are as good as a
    list of who has how many keys, so the document is to be kept as safe as the registry's database.
    """
    return document_of(Exchange.of(registry).contents())


def document_of(contents: Contents) -> Document:
    """Return the document of contents that were read."""
    customers = {each.slug: _customer(each) for each in contents.customers}
    for event in contents.events:
        customers[event.customer]["events"][event.slug] = _event(event)
    for contract in contents.contracts:
        customers[contract.customer]["events"][contract.event]["contracts"].append(_contract(contract))
    for key in contents.write_keys:
        customers[key.customer]["write_keys"][key.id] = _write_key(key)
    return {
        "version": VERSION,
        "destinations": {each.name: _destination(each) for each in contents.destinations},
        "customers": customers,
    }


def _destination(destination: Destination) -> dict[str, Any]:
    return {
        "kind": destination.kind,
        "settings": dict(destination.settings),
        "secret_reference": destination.secret_reference,
        "schema": destination.schema,
    }


def _customer(customer: Customer) -> dict[str, Any]:
    return {
        "display_name": customer.display_name,
        "destination": customer.destination,
        "isolated": customer.isolated,
        "removed": customer.removed_at is not None,
        "policy": asdict(customer.policy),
        "events": {},
        "write_keys": {},
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "display_name": event.display_name,
        "state": event.state.value,
        "freshness_deadline_minutes": event.freshness_deadline_minutes,
        "first_seen_hour": event.first_seen_hour,
        "contract": event.contract_version,
        "contracts": [],
    }


def _contract(contract: Contract) -> dict[str, Any]:
    return {
        "version": contract.version,
        "mode": contract.mode,
        "note": contract.note,
        "schema": dict(contract.schema),
    }


def _write_key(key: WriteKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "hint": key.hint,
        "hash": key.hash,
        "expires_at": None if key.expires_at is None else key.expires_at.astimezone(UTC).isoformat(),
        "revoked": key.revoked_at is not None,
    }
