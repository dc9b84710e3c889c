"""Entities as plain documents (JSON types only) and back, and the digest of a snapshot.

Belongs here: the one written form, used by the audit log, the commands, the HTTP API and a snapshot kept on disk. Does
not: files and transport.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeAlias

import orjson

from clickstream_platform.registry.entities import (
    ApiToken,
    AuditEntry,
    Contract,
    Customer,
    Destination,
    Event,
    EventState,
    Policy,
    Snapshot,
    WriteKey,
)
from clickstream_platform.registry.refusals import InvalidRequestError

Entity: TypeAlias = Customer | Event | Destination | Contract | WriteKey | ApiToken
Document: TypeAlias = dict[str, Any]

_KINDS: Mapping[type[Entity], str] = {
    Customer: "customer",
    Event: "event",
    Destination: "destination",
    Contract: "contract",
    WriteKey: "write_key",
    ApiToken: "token",
}
_POLICY = [field.name for field in fields(Policy)]
_ADVISORY: Document = {"seen_records": 0, "last_seen_hour": None, "waiting_records": 0}


def to_document(entity: Entity) -> Document:
    """Return the document of one entity; of keys and tokens without their hash."""
    if isinstance(entity, Customer):
        return _customer_document(entity)
    if isinstance(entity, Event):
        return _event_document(entity)
    if isinstance(entity, Contract):
        return _contract_document(entity)
    if isinstance(entity, WriteKey):
        return write_key_document(entity)
    if isinstance(entity, ApiToken):
        return _token_document(entity)
    return {
        "name": entity.name,
        "kind": entity.kind,
        "settings": dict(entity.settings),
        "secret_reference": entity.secret_reference,
        "schema": entity.schema,
        "revision": entity.revision,
    }


def write_key_document(key: WriteKey, *, with_hash: bool = False) -> Document:
    """Return the document of a write key; whoever has the hash can check keys, but not make one."""
    document = {
        "id": key.id,
        "customer": key.customer,
        "name": key.name,
        "hint": key.hint,
        "created_at": key.created_at.isoformat(),
        "expires_at": _iso(key.expires_at),
        "revoked_at": _iso(key.revoked_at),
        "revision": key.revision,
    }
    return document | {"hash": key.hash} if with_hash else document


def kind_and_name(entity: Entity) -> tuple[str, str | None, str]:
    """Return the kind of entity, the customer it concerns (None for what concerns all) and its own name."""
    kind = _KINDS[type(entity)]
    if isinstance(entity, Customer):
        return kind, entity.slug, entity.slug
    if isinstance(entity, Event):
        return kind, entity.customer, entity.slug
    if isinstance(entity, Contract):
        return kind, entity.customer, entity.event
    if isinstance(entity, WriteKey | ApiToken):
        return kind, entity.customer, entity.id
    return kind, None, entity.name


def audit_document(entry: AuditEntry) -> Document:
    """Return the document of one change."""
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "customer": entry.customer,
        "name": entry.name,
        "before": entry.before,
        "after": entry.after,
    }


def snapshot_document(snapshot: Snapshot, *, with_keys: bool = True) -> Document:
    """Return the document of a snapshot; `parse_snapshot` reads it back. Write keys come with their hashes."""
    keys = snapshot.write_keys if with_keys else ()
    return {
        "etag": snapshot.etag,
        "taken_at": snapshot.taken_at.isoformat(),
        "customers": [_customer_document(customer) for customer in snapshot.customers],
        "destinations": [to_document(destination) for destination in snapshot.destinations],
        "events": [_event_document(event) for event in snapshot.events],
        "contracts": [_contract_document(contract) for contract in snapshot.contracts],
        "write_keys": [write_key_document(key, with_hash=True) for key in keys],
    }


def parse_snapshot(document: Mapping[str, Any]) -> Snapshot:
    """Read a snapshot from its document; raise InvalidRequestError for anything else."""
    try:
        return Snapshot(
            customers=tuple(_parse_customer(customer) for customer in document["customers"]),
            events=tuple(_parse_event(event) for event in document["events"]),
            destinations=tuple(_parse_destination(each) for each in document["destinations"]),
            etag=document["etag"],
            taken_at=datetime.fromisoformat(document["taken_at"]),
            write_keys=tuple(_parse_write_key(key) for key in document["write_keys"]),
            contracts=tuple(_parse_contract(contract) for contract in document["contracts"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidRequestError(
            "reading a snapshot of the registry",
            cause=f"{type(error).__name__}: {error}",
            remedy="Take a new one with `clickstream registry snapshot --json`.",
        ) from error


def digest(parts: Iterable[Iterable[Entity]]) -> str:
    """Return 32 hexadecimal digits that are equal exactly when the content is, advisory counts apart."""
    content = hashlib.sha256()
    for part in parts:
        content.update(orjson.dumps([_content(entity) for entity in part], option=orjson.OPT_SORT_KEYS))
    return content.hexdigest()[:32]


def _content(entity: Entity) -> Document:
    if isinstance(entity, Event):
        return _event_document(entity) | _ADVISORY
    return write_key_document(entity, with_hash=True) if isinstance(entity, WriteKey) else to_document(entity)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _customer_document(customer: Customer) -> Document:
    policy = customer.policy
    return {
        "slug": customer.slug,
        "display_name": customer.display_name,
        "policy": {name: getattr(policy, name) for name in _POLICY},
        "destination": customer.destination,
        "isolated": customer.isolated,
        "created_at": customer.created_at.isoformat(),
        "removed_at": _iso(customer.removed_at),
        "revision": customer.revision,
    }


def _event_document(event: Event) -> Document:
    return {
        "customer": event.customer,
        "slug": event.slug,
        "display_name": event.display_name,
        "table_name": event.table_name,
        "state": event.state.value,
        "freshness_deadline_minutes": event.freshness_deadline_minutes,
        "first_seen_at": event.first_seen_at.isoformat(),
        "first_seen_hour": event.first_seen_hour,
        "seen_records": event.seen_records,
        "last_seen_hour": event.last_seen_hour,
        "waiting_records": event.waiting_records,
        "activation": event.activation,
        "contract_version": event.contract_version,
        "revision": event.revision,
    }


def _contract_document(contract: Contract) -> Document:
    return {
        "customer": contract.customer,
        "event": contract.event,
        "version": contract.version,
        "mode": contract.mode,
        "schema": contract.schema,
        "note": contract.note,
        "created_at": contract.created_at.isoformat(),
        "created_by": contract.created_by,
    }


def _token_document(token: ApiToken) -> Document:
    return {
        "id": token.id,
        "name": token.name,
        "scope": token.scope,
        "customer": token.customer,
        "created_at": token.created_at.isoformat(),
        "expires_at": _iso(token.expires_at),
        "revoked_at": _iso(token.revoked_at),
        "last_used_at": _iso(token.last_used_at),
        "revision": token.revision,
    }


# Fields that this version does not know are left out, so that a newer registry may add some.
_FIELDS = {kind: frozenset(field.name for field in fields(kind)) for kind in (*_KINDS, Policy)}


def _known(kind: type[Entity | Policy], document: Document) -> Document:
    known = _FIELDS[kind]
    return {name: value for name, value in document.items() if name in known}


def _parse_customer(document: Document) -> Customer:
    parsed = _known(Customer, document)
    parsed["policy"] = Policy(**_known(Policy, document["policy"]))
    return Customer(**parsed | {name: _moment(document[name]) for name in ("created_at", "removed_at")})


def _parse_event(document: Document) -> Event:
    parsed = _known(Event, document)
    parsed["state"] = EventState(document["state"])
    parsed["first_seen_at"] = datetime.fromisoformat(document["first_seen_at"])
    return Event(**parsed)


def _parse_destination(document: Document) -> Destination:
    return Destination(**_known(Destination, document))


def _parse_contract(document: Document) -> Contract:
    return Contract(**_known(Contract, document) | {"created_at": datetime.fromisoformat(document["created_at"])})


def _parse_write_key(document: Document) -> WriteKey:
    moments = {name: _moment(document[name]) for name in ("created_at", "expires_at", "revoked_at")}
    return WriteKey(**_known(WriteKey, document) | moments)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
