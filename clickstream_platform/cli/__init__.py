"""The `clickstream` command: thin commands over the services, one module each.

Belongs here: putting the commands together. Does not: work of any kind.
"""

from __future__ import annotations

import typer

from clickstream_platform.cli.alerts import alerts_app
from clickstream_platform.cli.batcher import batcher_command, shards_command
from clickstream_platform.cli.bench import bench_command
from clickstream_platform.cli.canary import canary_command
from clickstream_platform.cli.collector import collector_command
from clickstream_platform.cli.demo import demo_command
from clickstream_platform.cli.dev import dev_command
from clickstream_platform.cli.doctor import doctor_command
from clickstream_platform.cli.exporter import exporter_command
from clickstream_platform.cli.generate import generate_command
from clickstream_platform.cli.health import CONTEXT as HEALTH_CONTEXT
from clickstream_platform.cli.health import health_command
from clickstream_platform.cli.hours import hours_command
from clickstream_platform.cli.ingest import ingest_command
from clickstream_platform.cli.load import load_command
from clickstream_platform.cli.loads import loads_command
from clickstream_platform.cli.logs import log_index_app, logs_command
from clickstream_platform.cli.maintain import maintain_command
from clickstream_platform.cli.quarantine import quarantine_app
from clickstream_platform.cli.query import query_command
from clickstream_platform.cli.registry import registry_app
from clickstream_platform.cli.replay import replay_command
from clickstream_platform.cli.schema import schema_app

app = typer.Typer(
    name="clickstream",
    help="Event streams into one warehouse table per customer and event, every hour, complete and exactly once.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command("demo")(demo_command)
app.command("dev")(dev_command)
app.command("generate")(generate_command)
app.command("collector")(collector_command)
app.command("batcher")(batcher_command)
app.command("shards")(shards_command)
app.command("replay")(replay_command)
app.command("ingest")(ingest_command)
app.command("hours")(hours_command)
app.command("load")(load_command)
app.command("loads")(loads_command)
app.command("logs")(logs_command)
app.command("query")(query_command)
app.command("doctor")(doctor_command)
app.command("maintain")(maintain_command)
app.command("exporter")(exporter_command)
app.command("health", context_settings=HEALTH_CONTEXT, add_help_option=False)(health_command)
app.command("canary")(canary_command)
app.command("bench")(bench_command)
app.add_typer(alerts_app, name="alerts")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(log_index_app, name="log-index")
app.add_typer(registry_app, name="registry")
app.add_typer(schema_app, name="schema")


def main() -> None:
    """Run the command line."""
    app()
