"""`clickstream loads`: the ledger, what was loaded when and how it adds up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table
from clickstream_platform.model.hours import Hour

if TYPE_CHECKING:
    from clickstream_platform.load.ledger_row import LedgerRow

LEDGER_COLUMNS = ("hour", "event", "raw", "loaded", "duplicates", "rejected", "discarded")


@handle_errors
def loads_command(
    customer: Annotated[str, typer.Option(metavar="SLUG", help="Customer whose ledger to show.")],
    hour: Annotated[str | None, typer.Option(metavar="HOUR", help="Only this hour, like 2026-11-22T09.")] = None,
    event: Annotated[str | None, typer.Option(help="Only this event.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was loaded: raw = loaded + duplicates + rejected for every hour and event."""
    from clickstream_platform.wiring import open_wiring

    with open_wiring() as wiring:
        rows = wiring.list_loads(wiring.registry.get_customer(customer), Hour.parse(hour) if hour else None, event)
    if as_json:
        print_json(
            [
                {**dict(zip(LEDGER_COLUMNS, cells, strict=True)), **_rest(r)}
                for r, cells in zip(rows, ledger_cells(rows), strict=True)
            ]
        )
    else:
        print_table(LEDGER_COLUMNS, ledger_cells(rows), title=customer)


def ledger_cells(rows: Iterable[LedgerRow]) -> list[tuple[object, ...]]:
    """Return the cells of a table of ledger rows."""
    return [
        (str(r.hour), r.event, r.counts.raw, r.counts.rows, r.counts.duplicates, r.counts.rejected, r.counts.discarded)
        for r in rows
    ]


def _rest(row: LedgerRow) -> dict[str, object]:
    return {
        "objects": row.counts.objects,
        "bytes": row.counts.bytes,
        "input_digest": row.input_digest,
        "run_id": row.run_id,
        "started_at": row.started_at,
        "committed_at": row.committed_at,
    }
