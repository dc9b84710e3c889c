"""Freezes the input of a customer-hour: one manifest per event, from the objects that are there now.

Belongs here: listing and writing manifests. Does not: whether the hour is ready (`discovery`): a run freezes whatever
it was asked to load.
"""

from __future__ import annotations

from collections.abc import Collection

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest
from clickstream_platform.model.object_keys import manifest_key
from clickstream_platform.pipeline.hour_contents import list_hour, read_contents
from clickstream_platform.pipeline.ports import HourStore


def freeze(store: HourStore, customer: str, hour: Hour, events: Collection[str] | None = None) -> dict[str, Manifest]:
    """Write the manifests of these events (default: all) that have objects, and return them by event.

    Freezing the same objects again writes the same manifest; a late object makes a new one with another digest.
    """
    contents = read_contents(store, list_hour(store, hour, customer), customer)
    manifests = {
        stream.event: Manifest.freeze(stream, hour, refs)
        for stream, refs in contents.streams.items()
        if events is None or stream.event in events
    }
    store.put_many((manifest_key(hour, manifest.stream), manifest.to_json()) for manifest in manifests.values())
    return manifests
