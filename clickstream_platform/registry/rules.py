"""The rules of the registry as pure functions: which change of state is allowed, and which names and values are.

Belongs here: decisions about one value. Does not: looking anything up (`service`), storage (`store`), and the grammar
of slugs (`model.naming`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import orjson

from clickstream_platform.model.naming import customer_slug, event_slug, is_slug
from clickstream_platform.registry.access import CUSTOMER_SCOPES, Scope
from clickstream_platform.registry.entities import (
    Contract,
    ContractMode,
    Customer,
    Destination,
    DestinationKind,
    EventState,
    Policy,
    SchemaMode,
)
from clickstream_platform.registry.refusals import ConflictError, InvalidRequestError

Action = Literal["add", "activate", "pause", "resume", "remove"]

MAX_DISPLAY_NAME_CHARACTERS = 1_000
MAX_DEDUP_WINDOW_HOURS = 24 * 366
MAX_COLUMN_LIMIT = 1_600
"""Columns of one table in Redshift."""
MIN_COLUMN_LIMIT = 50
"""The standard columns, with room for the context every SDK sends."""
MAX_FRESHNESS_DEADLINE_MINUTES = 60 * 24 * 31
MAX_RETENTION_DAYS = 366 * 10
MAX_EVENTS_PER_SECOND = 1_000_000
MAX_GRACE_HOURS = 24 * 90
FIRST_YEAR, LAST_YEAR = "2000", "9998"
MAX_SETTINGS = 50
MAX_CONTRACT_BYTES = 200_000
MAX_CONTRACTS_BYTES = 1_000_000
"""Of one customer's contracts in force: they are in the snapshot that everybody polls."""
MAX_EVENTS = 10_000
"""Events of one customer that people add; what arrives is not refused for its number."""
MAX_PER_PARENT = 1_000
"""Write keys of a customer, versions of a contract: more is a script that went wrong."""
MAX_SETTING_CHARACTERS = 2_000

_NEXT: Mapping[Action, Mapping[EventState, EventState]] = {
    "add": {EventState.DISCOVERED: EventState.ACTIVE, EventState.REMOVED: EventState.ACTIVE},
    "activate": {EventState.DISCOVERED: EventState.ACTIVE, EventState.ACTIVE: EventState.ACTIVE},
    "pause": {EventState.ACTIVE: EventState.PAUSED, EventState.PAUSED: EventState.PAUSED},
    "resume": {EventState.PAUSED: EventState.ACTIVE, EventState.ACTIVE: EventState.ACTIVE},
    "remove": dict.fromkeys(EventState, EventState.REMOVED),
}
_REMEDIES: Mapping[EventState, str] = {
    EventState.ACTIVE: "It is loaded already; nothing is to be done.",
    EventState.PAUSED: "Resume it with `clickstream registry events resume`.",
    EventState.REMOVED: "Bring it back with `clickstream registry events add`.",
    EventState.DISCOVERED: "Activate it with `clickstream registry events activate`.",
}
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
_NUL_IN_JSON = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""An odd number of backslashes: an even one stands for backslashes, as in a pattern."""
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|^pwd$|^dsn$|secret|token|credential|(private|access|api)[-_]?key", re.IGNORECASE
)
_SECRET_REFERENCE = re.compile(r"(env:|file:/|aws-secretsmanager:)\S[^\r\n]*")
"""The forms that `gateways.secrets` resolves."""
_SECRET_VALUE = re.compile(r"://[^/@\s]*:[^/@\s]+@|\b(password|pwd)\s*=", re.IGNORECASE)


def next_state(state: EventState, action: Action, where: str) -> EventState:
    """Return the state after `action`; the same state means nothing changes. Raise ConflictError when impossible."""
    after = _NEXT[action].get(state)
    if after is None:
        raise ConflictError(
            f"asking to {action} an event", where=repr(where), cause=f"the event is {state}", remedy=_REMEDIES[state]
        )
    return after


def first_state(customer: Customer) -> EventState:
    """Return the state of an event that arrives for the first time."""
    if customer.removed_at is not None:
        return EventState.REMOVED
    return EventState.ACTIVE if customer.policy.auto_activate else EventState.DISCOVERED


def check_slug(kind: str, text: str) -> None:
    """Raise InvalidRequestError unless `text` is a slug."""
    if not is_slug(text):
        slug = event_slug(text) if kind == "event" else customer_slug(text)
        _refuse(f"naming the {kind}", text[:200], "it is not a slug", f"Use a slug, such as {slug!r}.")


def check_display_name(text: str) -> None:
    """Raise InvalidRequestError for a display name a person typed that cannot be kept exactly as typed."""
    if not text.strip():
        _refuse("naming for people", text, "the display name is empty", "Give it a name.")
    if len(text) > MAX_DISPLAY_NAME_CHARACTERS:
        limit = f"at most {MAX_DISPLAY_NAME_CHARACTERS} characters"
        _refuse("naming for people", text[:40] + "…", f"the display name has {len(text)} characters", f"Use {limit}.")
    if text != _storable(text):
        _refuse("naming for people", text, "it has a NUL or half of a surrogate pair", "Leave that character out.")


def seen_display_name(text: str, slug: str) -> str:
    """Return the display name of an event that arrived, repaired, because a name must never stop an hour."""
    repaired = _storable(text)[:MAX_DISPLAY_NAME_CHARACTERS]
    return repaired if repaired.strip() else slug


def check_policy(policy: Policy) -> None:
    """Raise InvalidRequestError for a policy outside its limits."""
    if policy.schema_mode not in get_args(SchemaMode):
        _refuse("setting a policy", policy.schema_mode, "unknown schema mode", "Use evolve, freeze or reject.")
    _check_between("dedup_window_hours", policy.dedup_window_hours, 1, MAX_DEDUP_WINDOW_HOURS)
    _check_between("column_limit", policy.column_limit, MIN_COLUMN_LIMIT, MAX_COLUMN_LIMIT)
    _check_between("load_threshold_percent", policy.load_threshold_percent, 0, 100)
    if policy.retention_days is not None:
        _check_between("retention_days", policy.retention_days, 1, MAX_RETENTION_DAYS)
    if policy.events_per_second is not None:
        _check_between("events_per_second", policy.events_per_second, 1, MAX_EVENTS_PER_SECOND)


def check_freshness_deadline(minutes: int | None) -> None:
    """Raise InvalidRequestError for a deadline outside its limits."""
    if minutes is not None:
        _check_between("freshness_deadline_minutes", minutes, 1, MAX_FRESHNESS_DEADLINE_MINUTES)


def check_destination(destination: Destination) -> None:
    """Raise InvalidRequestError for an unknown kind, a setting beyond the limits or one that looks like a secret."""
    check_slug("destination", destination.name)
    if destination.kind not in get_args(DestinationKind):
        _refuse("adding a destination", destination.kind, "unknown kind of warehouse", "Use duckdb or redshift.")
    if destination.schema is not None:
        check_slug("schema", destination.schema)
    if destination.secret_reference is not None:
        check_secret_reference(destination.secret_reference)
    if len(destination.settings) > MAX_SETTINGS:
        _refuse("adding a destination", destination.name, "too many settings", f"Use at most {MAX_SETTINGS}.")
    for name, value in destination.settings.items():
        if _SECRET_NAME.search(name) or _SECRET_VALUE.search(value):
            # The value is left out of the message: it may be the secret itself.
            _refuse(
                "adding a destination",
                destination.name,
                f"the setting {name!r} holds a secret, by its look",
                "Keep the secret elsewhere and name its place with the secret reference.",
            )
        if max(len(name), len(value)) > MAX_SETTING_CHARACTERS or name + value != _storable(name + value):
            remedy = f"Use at most {MAX_SETTING_CHARACTERS} characters and no NUL."
            _refuse("adding a destination", destination.name, f"the setting {name[:40]!r} cannot be stored", remedy)


def check_secret_reference(text: str) -> None:
    """Raise InvalidRequestError for what is no reference; it may be the secret itself, so it is not repeated."""
    if not _is_reference(text):
        remedy = "Use env:NAME, file:/path or aws-secretsmanager:ARN."
        cause = "the secret reference has none of the known forms"
        raise InvalidRequestError("adding a destination", cause=cause, remedy=remedy)


def check_expiry(expires_at: datetime | None, now: datetime) -> None:
    """Raise InvalidRequestError for a time without a zone or one that has passed."""
    if expires_at is not None and (expires_at.tzinfo is None or not now < expires_at < _END_OF_TIME):
        _refuse(
            "setting when a key expires",
            str(expires_at),
            "it has no zone, has passed or never comes",
            "Give a time to come.",
        )


def check_grace(hours: int) -> None:
    """Raise InvalidRequestError for a grace outside its limits, in hours."""
    _check_between("grace_hours", hours, 0, MAX_GRACE_HOURS)


def check_scope(scope: Scope, customer: str | None) -> None:
    """Raise InvalidRequestError for an unknown scope, or a customer missing or given where there can be none."""
    if scope not in get_args(Scope):
        _refuse("adding a token", scope, "unknown scope", f"Use one of {', '.join(get_args(Scope))}.")
    if (scope in CUSTOMER_SCOPES) != (customer is not None):
        is_needed = scope in CUSTOMER_SCOPES
        remedy = "Name the customer it is for." if is_needed else "Leave the customer out."
        _refuse("adding a token", scope, "it is for one customer" if is_needed else "it is for all customers", remedy)


def check_contract(mode: ContractMode, schema: Mapping[str, Any], note: str) -> None:
    """Raise InvalidRequestError for an unknown mode or a schema that is none, too long, or reaches outside itself."""
    if mode not in get_args(ContractMode):
        _refuse("adding a contract", mode, "unknown mode", "Use evolve, freeze or reject.")
    if note:
        check_display_name(note)
    try:
        text = json.dumps(schema, allow_nan=False)
        orjson.dumps(schema)  # what the snapshot is written with takes no integer over 64 bits and no half surrogate
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(
            "adding a contract", cause=f"the schema is not JSON ({type(error).__name__})", remedy="Give a JSON Schema."
        ) from error
    if _NUL_IN_JSON.search(text):
        _refuse("adding a contract", "NUL", "the schema holds the character NUL", "Leave that character out.")
    if len(text) > MAX_CONTRACT_BYTES:
        remedy = f"Use at most {MAX_CONTRACT_BYTES} bytes."
        _refuse("adding a contract", f"{len(text)} bytes", "the schema is too long", remedy)
    # Imported only here: the validator takes a while to load, and contracts are rarely written.
    from clickstream_platform.record_contracts.bounds import InvalidSchemaError
    from clickstream_platform.record_contracts.checking import check_schema

    try:
        check_schema(schema)
    except InvalidSchemaError as error:
        raise InvalidRequestError("adding a contract", cause=error.cause, remedy=error.remedy) from error


def check_hash(text: str) -> None:
    """Raise InvalidRequestError unless the text is a SHA-256 in hexadecimal digits."""
    if re.fullmatch("[0-9a-f]{64}", text) is None:
        _refuse("restoring a write key", text[:12] + "…", "its hash is not 64 hex digits", "Export the key again.")


def check_count(what: str, where: str, count: int, limit: int = MAX_PER_PARENT) -> None:
    """Raise InvalidRequestError when one more would be too many."""
    if count >= limit:
        _refuse(f"adding to the {what}", where, f"there are {count} already", "Revoke or reuse some first.")


def check_contracts_in_force(contracts: Collection[Contract]) -> None:
    """Raise InvalidRequestError when one customer's contracts would make everybody's snapshot long."""
    size_bytes = sum(len(orjson.dumps(contract.schema)) for contract in contracts)
    if size_bytes > MAX_CONTRACTS_BYTES:
        remedy = f"Use at most {MAX_CONTRACTS_BYTES} bytes for the customer's contracts in force."
        _refuse("putting a contract in force", f"{size_bytes} bytes", "the customer's contracts are too long", remedy)


def check_hour(text: str) -> None:
    """Raise InvalidRequestError for an hour that no record can have arrived in."""
    if not FIRST_YEAR <= text[:4] <= LAST_YEAR:
        _refuse("reading an hour", text, "it is in another age", f"Give an hour between {FIRST_YEAR} and {LAST_YEAR}.")


def _check_between(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        _refuse(f"setting {name}", str(value), "it is outside its limits", f"Use {least} to {most}.")


def _is_reference(text: str) -> bool:
    is_known = _SECRET_REFERENCE.fullmatch(text) is not None
    return is_known and len(text) <= MAX_SETTING_CHARACTERS and text == _storable(text)


def _storable(text: str) -> str:
    """Replace what neither database stores as text: NUL is dropped, half a surrogate pair becomes U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text.replace("\0", ""))


def _refuse(failed: str, value: str, cause: str, remedy: str) -> None:
    raise InvalidRequestError(failed, where=repr(value), cause=cause, remedy=remedy)
