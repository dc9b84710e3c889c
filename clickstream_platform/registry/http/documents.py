"""What the API answers, field by field: the documents of `registry.documents` as the OpenAPI document shows them.

Belongs here: the form of answers; one with another form is an error of ours. Does not: making them.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from clickstream_platform.registry.access import Scope
from clickstream_platform.registry.entities import ContractMode, DestinationKind, EventState, SchemaMode

T = TypeVar("T")
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Hour = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}$")]


class Answer(BaseModel):
    """An answer has these fields and no other."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Page(Answer, Generic[T]):
    """Some items of a list."""

    items: list[T]
    next: str | int | None = Field(description="`after` of the next page; null on the last.")


class PolicyDocument(Answer):
    """How a customer's events are treated."""

    auto_activate: bool
    schema_mode: SchemaMode
    dedup_window_hours: int
    column_limit: int
    load_threshold_percent: int
    retention_days: int | None
    events_per_second: int | None


class CustomerDocument(Answer):
    """A customer."""

    slug: str
    display_name: str
    policy: PolicyDocument
    destination: str
    isolated: bool
    created_at: Moment
    removed_at: Moment | None
    revision: int


class EventDocument(Answer):
    """An event."""

    customer: str
    slug: str
    display_name: str
    table_name: str
    state: EventState
    freshness_deadline_minutes: int | None
    first_seen_at: Moment
    first_seen_hour: Hour | None
    seen_records: int
    last_seen_hour: Hour | None
    waiting_records: int
    activation: int
    contract_version: int | None
    revision: int


class SampleDocument(Answer):
    """A masked record of an event."""

    customer: str
    event: str
    sample: dict[str, Any]
    taken_at: Moment


class ContractDocument(Answer):
    """One version of a contract."""

    customer: str
    event: str
    version: int
    mode: ContractMode
    json_schema: dict[str, Any] = Field(alias="schema")
    note: str
    created_at: Moment
    created_by: str


class InferredSchema(Answer):
    """A schema that all records of some hours fit."""

    json_schema: dict[str, Any] = Field(alias="schema")


class DryRunExampleDocument(Answer):
    """One record that breaks a contract."""

    object_key: str
    line: int
    problems: list[str]


class DryRunDocument(Answer):
    """What a contract would have done."""

    hours: int
    records: int
    rejected: int
    discarded: int
    violations: dict[str, int]
    examples: list[DryRunExampleDocument]
    is_complete: bool


class WriteKeyDocument(Answer):
    """A write key without the key."""

    id: str
    customer: str
    name: str
    hint: str
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    revision: int


class NewWriteKeyDocument(WriteKeyDocument):
    """A write key with the key."""

    secret: str | None = Field(description="The key, shown only now; null when the answer is given again.")


class TokenDocument(Answer):
    """An API token without its text."""

    id: str
    name: str
    scope: Scope
    customer: str | None
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None
    revision: int


class NewTokenDocument(TokenDocument):
    """An API token with its text."""

    secret: str | None = Field(description="The token, shown only now; null when the answer is given again.")


class DestinationDocument(Answer):
    """A destination."""

    name: str
    kind: DestinationKind
    settings: dict[str, str]
    secret_reference: str | None
    schema_name: str | None = Field(alias="schema")
    revision: int


class AuditDocument(Answer):
    """One change."""

    number: int
    at: Moment
    actor: str
    action: str
    customer: str | None
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class HashedWriteKey(WriteKeyDocument):
    """A write key with its hash."""

    hash: str


class SnapshotDocument(Answer):
    """Everything that collector, loader and Dagster work from."""

    etag: str
    taken_at: Moment
    customers: list[CustomerDocument]
    destinations: list[DestinationDocument]
    events: list[EventDocument]
    contracts: list[ContractDocument]
    write_keys: list[HashedWriteKey] = Field(description="Empty without the permission snapshot_keys.")


class SightingsDocument(Answer):
    """The events of an announcement as they now are."""

    events: dict[str, EventDocument]


class FieldChangeDocument(Answer):
    """One field of a change."""

    field: str
    before: Any
    after: Any


class ChangeDocument(Answer):
    """One thing that is not as an imported document says."""

    action: str
    kind: str
    customer: str | None
    name: str
    fields: list[FieldChangeDocument]


class LeftAloneDocument(Answer):
    """Something that an imported document does not name."""

    kind: str
    customer: str | None
    name: str


class PlanDocument(Answer):
    """What an import does, or would do."""

    version: int
    changes: list[ChangeDocument]
    left_alone: list[LeftAloneDocument]
    applied: bool


class Health(Answer):
    """How the service is."""

    status: str
