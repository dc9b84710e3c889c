"""`clickstream maintain`: ANALYZE and VACUUM for the tables that need them.

Belongs here: reading options, printing. Does not: deciding (`warehouses.redshift_maintenance`).
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table

CustomerOption = Annotated[list[str] | None, typer.Option(metavar="SLUG", help="Only this customer; repeat for more.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, do nothing.")]
ManagedOption = Annotated[bool, typer.Option("--include-managed", help="Act on Redshift Serverless, too.")]


@handle_errors
def maintain_command(
    customer: CustomerOption = None,
    dry_run: DryRunOption = False,
    include_managed: ManagedOption = False,
    stats_off_percent: Annotated[float, typer.Option(min=0, max=100, help="Statistics this stale: ANALYZE.")] = 10.0,
    unsorted_percent: Annotated[float, typer.Option(min=0, max=100, help="Rows this unsorted: VACUUM.")] = 20.0,
    deleted_percent: Annotated[float, typer.Option(min=0, max=100, help="Rows this deleted: VACUUM.")] = 20.0,
    min_rows: Annotated[int, typer.Option(min=0, help="Smaller tables are left alone.")] = 100_000,
    max_seconds: Annotated[int, typer.Option(min=1, help="No further table is begun after this, per customer.")] = 3600,
    as_json: JsonOption = False,
) -> None:
    """Analyse and vacuum the customers' tables in Redshift that need it, as svv_table_info tells.

    Redshift does both by itself when it is idle; this is for clusters that never are. The embedded warehouse needs
    none.
    """
    from clickstream_platform import wiring
    from clickstream_platform.pipeline.maintenance import maintain
    from clickstream_platform.warehouses.redshift_maintenance import Thresholds

    thresholds = Thresholds(stats_off_percent, unsorted_percent, deleted_percent, min_rows, max_seconds)
    console = Console(stderr=True)
    with wiring.open_wiring() as opened:
        registry = opened.registry
        customers = [registry.get_customer(slug) for slug in customer] if customer else registry.snapshot().customers
        reports = [
            maintain(
                opened,
                each,
                thresholds,
                dry_run=dry_run,
                include_managed=include_managed,
                progress=lambda text: console.print(text, highlight=False, markup=False),
            )
            for each in customers
        ]
    if as_json:
        print_json(reports)
    else:
        rows = [
            (report.customer, each.action.sql, each.action.reason, each.state, round(each.seconds, 1), each.error)
            for report in reports
            for each in report.outcomes
        ]
        print_table(("customer", "statement", "reason", "state", "seconds", "error"), rows)
        for report in reports:
            note = f", {report.note}" if report.note else ""
            typer.echo(f"{report.customer}: {report.tables} tables, {len(report.outcomes)} statements{note}")
    if any(report.failed for report in reports):
        raise typer.Exit(code=1)
