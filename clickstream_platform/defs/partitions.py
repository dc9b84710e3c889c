"""Partitions of a customer's assets: hour × event, and the two directions between partition keys and stream-hours.

Belongs here: definitions of partitions and their keys. Does not: which partitions a run gets (`hours_sensor`).
"""

from collections.abc import Collection, Iterable, Sequence

import dagster as dg

from clickstream_platform.defs.state import CustomerState
from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.customer_hour import Order

HOUR, EVENT = "hour", "event"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def customer_partitions(customer: CustomerState, first_hour: Hour) -> dg.MultiPartitionsDefinition:
    """Return hour × event; the current hour has partitions from its first minute."""
    hours = dg.HourlyPartitionsDefinition(start_date=first_hour.partition_key, timezone="UTC", end_offset=1)
    return dg.MultiPartitionsDefinition({HOUR: hours, EVENT: dg.DynamicPartitionsDefinition(name=customer.events_name)})


def partition_key(event: str, hour: Hour) -> dg.MultiPartitionKey:
    """Return the key of a stream-hour, `<event>|<hour>`."""
    return dg.MultiPartitionKey({EVENT: event, HOUR: hour.partition_key})


def event_of_key(key: str) -> str:
    """Return the event of a partition key."""
    return key.rpartition("|")[0]


def orders_of(customer: CustomerState, keys: Iterable[str]) -> list[Order]:
    """Return what to load for these partition keys: one order per hour, oldest first."""
    events: dict[Hour, list[str]] = {}
    for key in keys:
        event, _, hour = key.rpartition("|")
        events.setdefault(Hour.from_partition_key(hour), []).append(event)
    return [Order(customer.slug, hour, tuple(events[hour])) for hour in sorted(events)]


def add_events(instance: dg.DagsterInstance, customer: CustomerState, events: Collection[str]) -> list[str]:
    """Make partitions of events that have none, in one call, and return all events in the order of their partitions."""
    known = list(instance.get_dynamic_partitions(customer.events_name))
    new = sorted(set(events) - set(known))
    if new:
        instance.add_dynamic_partitions(customer.events_name, new)
        known = list(instance.get_dynamic_partitions(customer.events_name))
    return known


def event_range_tags(events: Sequence[str], hour: Hour) -> dict[str, str]:
    """Return the run tags for one hour of all these events, which are in the order of their partitions."""
    return _range_tags(partition_key(events[0], hour), partition_key(events[-1], hour))


def hour_range_tags(event: str, first: Hour, last: Hour) -> dict[str, str]:
    """Return the run tags for one event's hours, both ends included."""
    return _range_tags(partition_key(event, first), partition_key(event, last))


def _range_tags(first: dg.MultiPartitionKey, last: dg.MultiPartitionKey) -> dict[str, str]:
    return {RANGE_START: str(first), RANGE_END: str(last)}
