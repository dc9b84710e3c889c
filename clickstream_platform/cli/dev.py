"""`clickstream dev`: the whole platform on the same data as the other commands.

Belongs here: which processes there are and what each is told. Does not: starting and stopping them (`dev_processes`),
and the tokens that they show each other (`dev_tokens`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.support import handle_errors

if TYPE_CHECKING:
    from clickstream_platform.cli.dev_processes import Processes
    from clickstream_platform.settings import Settings

DAGSTER_FOLDER, REGISTRY_FOLDER = "dagster", "registry"
PROJECT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@handle_errors
def dev_command(
    port: Annotated[int, typer.Option(help="Port of Dagster's web interface.")] = 3000,
    registry_port: Annotated[int, typer.Option(help="Port of the registry's API and page.")] = 8400,
    collector_port: Annotated[int, typer.Option(help="Port of the collector, where a Kinesis stream is set.")] = 8080,
    batcher_port: Annotated[int, typer.Option(help="Port of the batcher's health and metrics.")] = 9465,
    exporter_port: Annotated[int, typer.Option(help="Port of the exporter's metrics.")] = 9464,
    exporter: Annotated[bool, typer.Option(help="Whether to start the exporter: metrics, freshness, alerts.")] = True,
    host: Annotated[
        str, typer.Option(help="Address to listen on; Dagster's interface asks for no password.")
    ] = "127.0.0.1",
) -> None:
    """Start the registry, Dagster's webserver and its daemon, with sensors on, and the exporter; stop with Ctrl-C.

    With CLICKSTREAM_KINESIS_STREAM set, a collector and a batcher too.
    """
    from clickstream_platform.cli.dev_processes import Processes
    from clickstream_platform.settings import load_settings

    settings = load_settings()
    console, code = Console(stderr=True, highlight=False), 0  # unless something else than a signal ends it
    with Processes() as processes:
        registry = _start_registry(processes, settings, console, host, registry_port)
        if settings.kinesis_stream:
            _start_front(processes, settings, console, host, (collector_port, batcher_port))
        environment = _start_dagster(processes, settings, registry, host, port)
        if exporter:  # it says itself where it listens, and lives without whatever it does not reach
            command = [str(BIN / "clickstream"), "exporter", "--host", host, "--port", str(exporter_port)]
            processes.start("the exporter", command, PROJECT, environment)
        message = f"Dagster on http://{host}:{port}, data in {settings.home}. Stop with Ctrl-C."
        console.print(message, soft_wrap=True)
        code = processes.wait()
    raise typer.Exit(code)


def _start_registry(processes: Processes, settings: Settings, console: Console, host: str, port: int) -> dict[str, str]:
    """Start the registry's service, unless the settings name one; return what Dagster is to be told of it."""
    if settings.registry_api_url:
        console.print(f"The registry is the one on {settings.registry_api_url}.", soft_wrap=True)
        return {}
    from clickstream_platform.cli.dev_tokens import prepare_tokens
    from clickstream_platform.settings import child_environment

    tokens = prepare_tokens(settings.registry, settings.home.absolute() / REGISTRY_FOLDER)
    address = f"http://{host}:{port}"
    command = [str(BIN / "clickstream"), "registry", "serve", "--host", host, "--port", str(port)]
    processes.start("the registry", command, PROJECT, child_environment(settings))
    processes.wait_for("the registry", f"{address}/readyz")
    console.print(f"The registry on {address}/admin, log in with the token in {tokens.admin}.", soft_wrap=True)
    return {
        "CLICKSTREAM_REGISTRY_API_URL": address,
        "CLICKSTREAM_REGISTRY_TOKEN_REFERENCE": f"file:{tokens.loader}",
    }


def _start_front(processes: Processes, settings: Settings, console: Console, host: str, ports: tuple[int, int]) -> None:
    """Start a collector and a batcher; until there is a write key the collector tells everybody to come again."""
    from clickstream_platform.settings import child_environment

    environment = child_environment(settings)
    for name, port in zip(("collector", "batcher"), ports, strict=True):
        command = [str(BIN / "clickstream"), name, "--host", host, "--port", str(port)]
        processes.start(f"the {name}", command, PROJECT, environment)
        processes.wait_for(f"the {name}", f"http://{host}:{port}/healthz")
    where = f"http://{host}:{ports[0]}/v1, for the Kinesis stream {settings.kinesis_stream}"
    console.print(f"The collector takes events on {where}.", soft_wrap=True)


def _start_dagster(
    processes: Processes, settings: Settings, registry: dict[str, str], host: str, port: int
) -> dict[str, str]:
    """Start the webserver and the daemon; return their environment."""
    from clickstream_platform.defs.driver import prepare_home
    from clickstream_platform.settings import child_environment

    home = prepare_home(settings.home.absolute() / DAGSTER_FOLDER)
    webserver = f"http://{host}:{port}"
    environment = child_environment(
        settings, DAGSTER_HOME=str(home), CLICKSTREAM_DAGSTER_WEBSERVER_URL=webserver, **registry
    )
    command = [str(BIN / "dg"), "dev", "--host", host, "--port", str(port)]
    processes.start("Dagster", command, PROJECT, environment)
    return environment
