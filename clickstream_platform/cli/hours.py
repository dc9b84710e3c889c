"""`clickstream hours`: what lies in the raw hours and which customer-hours are ready to load."""

from __future__ import annotations

from typing import Annotated

import typer

from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table
from clickstream_platform.model.hours import Hour


@handle_errors
def hours_command(
    hour: Annotated[list[str] | None, typer.Option(help="An hour like 2026-11-22T09; repeat for more.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List customer-hours: events, objects, bytes, and whether they are ready (default: all hours with raw objects)."""
    from clickstream_platform.pipeline.opening import open_pipeline

    with open_pipeline() as pipeline:
        discovery = pipeline.discovery
        wanted = [Hour.parse(text) for text in hour] if hour else [*discovery.older_hours(), *discovery.recent_hours()]
        looks = [look for each in wanted if (look := discovery.look(each)) is not None]
    ready = [each for look in looks for each in look.ready if customer in (None, each.customer)]
    waiting = [(name, look.hour) for look in looks for name in look.open_customers if customer in (None, name)]
    if as_json:
        print_json(
            {
                "ready": [
                    {
                        "customer": each.customer,
                        "hour": str(each.hour),
                        "digest": each.digest,
                        "events": len(each.streams),
                        "objects": sum(len(refs) for refs in each.streams.values()),
                        "bytes": each.size_bytes,
                    }
                    for each in ready
                ],
                "open": [{"customer": name, "hour": str(when)} for name, when in waiting],
            }
        )
        return
    rows: list[tuple[object, ...]] = [
        (c.customer, str(c.hour), "ready", len(c.streams), sum(map(len, c.streams.values())), c.size_bytes)
        for c in ready
    ]
    rows += [(name, str(when), "open", None, None, None) for name, when in waiting]
    print_table(("customer", "hour", "state", "events", "objects", "bytes"), rows)
