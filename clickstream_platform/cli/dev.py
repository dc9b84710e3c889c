"""`clickstream dev`: Dagster's webserver and daemon on the same data as the other commands, until interrupted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.support import handle_errors

DAGSTER_FOLDER = "dagster"
PROJECT = Path(__file__).parents[2]


@handle_errors
def dev_command(
    port: Annotated[int, typer.Option(help="Port of the web interface.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on; the interface asks for no password.")] = "127.0.0.1",
) -> None:
    """Start Dagster's webserver and daemon here, with sensors on; stop with Ctrl-C."""
    from clickstream_platform.defs.driver import prepare_home
    from clickstream_platform.settings import child_environment, load_settings

    settings = load_settings()
    home = prepare_home(settings.home.absolute() / DAGSTER_FOLDER)
    environment = child_environment(
        settings, DAGSTER_HOME=str(home), CLICKSTREAM_DAGSTER_WEBSERVER_URL=f"http://{host}:{port}"
    )
    Console(stderr=True).print(f"Dagster on http://{host}:{port}, data in {settings.home}. Stop with Ctrl-C.")
    command = [str(Path(sys.executable).with_name("dg")), "dev", "--host", host, "--port", str(port)]
    try:
        raise typer.Exit(subprocess.call(command, cwd=PROJECT, env=environment))  # noqa: S603 - our own command
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
