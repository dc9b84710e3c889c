"""What is sent to the API, checked for type and size before anything else sees it.

Belongs here: the form of request bodies. Does not: the rules for names and values (`registry.rules`), answers
(`documents`).
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictInt

from clickstream_platform.registry.access import Scope
from clickstream_platform.registry.entities import DEFAULT_DESTINATION, ContractMode, DestinationKind, SchemaMode

MAX_NAME_CHARACTERS = 1_000
MAX_SLUG_CHARACTERS = 100
MAX_JSON_DEPTH = 50
MAX_PROBED_HOURS = 24 * 7
MAX_ANNOUNCED_EVENTS = 20_000


def _storable_json(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what JSON readers disagree on: infinite numbers, integers over 64 bits, half surrogates, deep nesting."""
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        found, depth = waiting.pop()
        if depth > MAX_JSON_DEPTH:
            raise ValueError(f"nested deeper than {MAX_JSON_DEPTH}")
        if isinstance(found, float) and not math.isfinite(found):
            raise ValueError("a number is not finite")
        inner = list(found.values()) if isinstance(found, dict) else found if isinstance(found, list) else []
        waiting += [(each, depth + 1) for each in inner]
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise ValueError("an integer over 64 bits, or a text that UTF-8 cannot write") from error
    if "\\u0000" in json.dumps(value):
        raise ValueError("a text has a NUL")
    return value


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS, description="As typed, for people.")]
Slug = Annotated[str, Field(min_length=1, max_length=MAX_SLUG_CHARACTERS, pattern=r"^[^\x00]*$")]
JsonObject = Annotated[dict[str, Any], AfterValidator(_storable_json)]
Hours = Annotated[StrictInt, Field(ge=1, le=MAX_PROBED_HOURS, description="Hours back from now.")]
Minutes = Annotated[StrictInt, Field(ge=1, le=60 * 24 * 31, description="After the end of an hour.")]
Records = Annotated[StrictInt, Field(ge=0, le=10**12)]


class Body(BaseModel):
    """A body takes no field that it does not know."""

    model_config = ConfigDict(extra="forbid")


_NULLABLE = {"retention_days", "events_per_second"}


class PolicyPatch(Body):
    """The fields of a policy that are to change, or to differ from the defaults."""

    auto_activate: StrictBool | None = None
    schema_mode: SchemaMode | None = None
    dedup_window_hours: Annotated[StrictInt, Field(ge=1, le=24 * 366)] | None = None
    column_limit: Annotated[StrictInt, Field(ge=50, le=1_600)] | None = None
    load_threshold_percent: Annotated[StrictInt, Field(ge=0, le=100)] | None = None
    retention_days: Annotated[StrictInt, Field(ge=1, le=3_660)] | None = Field(
        default=None, description="null for all that is kept."
    )
    events_per_second: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="null for the collector's own limit."
    )

    def changes(self) -> dict[str, Any]:
        """Return the fields that are to change; null leaves one as it is, unless it can be null."""
        given = self.model_dump(exclude_unset=True)
        return {name: value for name, value in given.items() if value is not None or name in _NULLABLE}


class NewCustomer(Body):
    """A customer to add."""

    name: Name
    slug: Slug | None = Field(default=None, description="Default: made of the name.")
    policy: PolicyPatch = PolicyPatch()
    destination: Slug = DEFAULT_DESTINATION
    isolated: StrictBool = False


class CustomerPatch(Body):
    """What is to change about a customer; null leaves a field as it is."""

    display_name: Name | None = None
    policy: PolicyPatch | None = None
    destination: Slug | None = None
    isolated: StrictBool | None = None


DEADLINE = (
    "Minutes after the end of an hour by which it must be loaded. "
    "null: the platform's (CLICKSTREAM_FRESHNESS_DEADLINE_MINUTES, 120 by default)."
)


class NewEvent(Body):
    """An event to add, or to bring back."""

    name: Name
    slug: Slug | None = Field(default=None, description="Default: made of the name.")
    freshness_deadline_minutes: Minutes | None = Field(default=None, description=DEADLINE)


class EventPatch(Body):
    """What is to change about an event."""

    display_name: Name | None = Field(default=None, description="null leaves it as it is.")
    freshness_deadline_minutes: Minutes | None = Field(default=None, description=DEADLINE)


class NewContract(Body):
    """The next version of a contract."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    mode: ContractMode
    json_schema: JsonObject = Field(alias="schema", description="JSON Schema (2020-12) of `properties` or `traits`.")
    note: Annotated[str, Field(max_length=MAX_NAME_CHARACTERS)] = ""
    activate: StrictBool = Field(default=True, description="Whether it is in force at once.")


class ContractInForce(Body):
    """Which version is to be in force."""

    version: Annotated[StrictInt, Field(ge=1, le=1_000_000)]


class DryRunRequest(Body):
    """A contract to hold against what arrived."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    mode: ContractMode = "reject"
    json_schema: JsonObject = Field(alias="schema", description="JSON Schema (2020-12) of `properties` or `traits`.")
    hours: Hours = 24


class InferRequest(Body):
    """How much history a schema is made of."""

    hours: Hours = 24


class NewWriteKey(Body):
    """A write key to add."""

    name: Name
    expires_at: AwareDatetime | None = None


class Rotation(Body):
    """How long the old key is taken."""

    grace_hours: Annotated[StrictInt, Field(ge=0, le=24 * 90)] = 24


class NewToken(Body):
    """An API token to add."""

    name: Name
    scope: Scope
    customer: Slug | None = Field(default=None, description="Of a customer scope, and only there.")
    expires_at: AwareDatetime | None = None


class DestinationValues(Body):
    """A destination without its name."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    kind: DestinationKind
    settings: dict[str, str] = Field(default={}, description="Never a secret.")
    secret_reference: Annotated[str, Field(max_length=MAX_NAME_CHARACTERS, pattern=r"^[^\x00]*$")] | None = Field(
        default=None, description="Where the secret is kept, such as `env:NAME`."
    )
    schema_name: Slug | None = Field(default=None, alias="schema", description="Fixed, for one customer only.")


class NewDestination(DestinationValues):
    """A destination to add."""

    name: Slug


class Sighting(Body):
    """What arrived of one event in an hour."""

    name: Annotated[str, Field(max_length=MAX_NAME_CHARACTERS, description="As sent.")]
    records: Records
    sample: JsonObject | None = Field(default=None, description="One record, its values masked.")
    skipped: StrictBool = Field(default=False, description="Not loaded, as decided while the registry was away.")


class Sightings(Body):
    """What arrived of one customer in an hour."""

    hour: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}$")]
    events: Annotated[dict[str, Sighting], Field(max_length=MAX_ANNOUNCED_EVENTS)] = Field(description="By slug.")
    create_customer: StrictBool = False
