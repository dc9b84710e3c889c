"""The commands of the chart's containers are ones that the platform has, options included."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from dagster._cli import create_dagster_cli
from typer.main import get_command

from clickstream_platform.cli import app
from clickstream_platform.health.__main__ import _parser
from clickstream_platform_tests.deploy.helm.charts import KUBERNETES, VALUES, Manifest, pods, render

EVERYTHING = ("canary.enabled=true", "tests.doctor=true")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield what every container and every probe runs."""
    for values in VALUES:
        for kubernetes in KUBERNETES:
            for name, spec in pods(render(values, kubernetes, EVERYTHING)).items():
                for container in spec["containers"]:
                    label = f"{name}: {container['name']}"
                    yield label, [*container["command"], *container.get("args", [])]
                    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                        if "exec" in container.get(probe, {}):
                            yield f"{label} {probe}", container[probe]["exec"]["command"]


def understand(command: click.Command, words: list[str]) -> None:
    """Parse a command line as its program would; raises what click raises."""
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no command {words[0]}"
        command, words = found, words[1:]
    command.make_context(command.name, words)


def test_the_platform_has_these_commands() -> None:
    programs = {"clickstream": get_command(app), "dagster": create_dagster_cli()}  # type: ignore[no-untyped-call]
    seen = set()
    for label, words in commands():
        if words[0] in programs:
            try:
                understand(programs[words[0]], words[1:])
            except click.UsageError as error:
                pytest.fail(f"{label}: {error.format_message()}")
            seen.add(" ".join(words[:3]))
        elif words[:3] == ["python", "-m", "clickstream_platform.health"]:
            _parser({}).parse_args(words[3:])
            seen.add("health")
        elif words[0] == "python":
            compile(words[2], label, "exec")
        else:
            assert words[0] in ("dagster-webserver", "dagster-daemon"), f"{label}: {words}"
    expected = {"clickstream registry serve", "dagster code-server start", "dagster instance migrate", "health"}
    assert expected <= seen


def registry_wait() -> list[str]:
    container: Manifest = pods(render())["Deployment/registry"]["initContainers"][0]
    return [*container["command"], *container["args"]]


def test_the_registry_waits_for_its_first_token(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(tmp_path), "CLICKSTREAM_HOME": str(tmp_path)}
    waiting = subprocess.Popen(registry_wait(), env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert waiting.stdout is not None
        assert "No API token yet" in waiting.stdout.readline()
        make = ["clickstream", "registry", "tokens", "add", "--scope", "admin", "--quiet", "me"]
        done = subprocess.run(make, env=environment, check=True, capture_output=True, text=True, timeout=60)
        assert done.stdout.strip()
        assert waiting.wait(timeout=60) == 0
    finally:
        waiting.kill()
        waiting.wait()
        if waiting.stdout is not None:
            waiting.stdout.close()
