"""The commands of the chart's containers are ones that the platform has, options included."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dagster._cli import create_dagster_cli
from dagster._daemon.cli import create_dagster_daemon_cli
from dagster_webserver.cli import dagster_webserver

from clickstream_platform.health.__main__ import _parser
from clickstream_platform_tests.command_lines import CLICKSTREAM, parse
from clickstream_platform_tests.deploy.helm.charts import KUBERNETES, VALUES, Manifest, pods, render
from clickstream_platform_tests.shared_data import REPOSITORY

SHELLS = ("sh", "/bin/bash")  # the dagster chart takes the latter
EVERYTHING = ("canary.enabled=true", "tests.doctor=true")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield what every container and every probe runs."""
    for values in VALUES:
        for kubernetes in KUBERNETES:
            for name, spec in pods(render(values, kubernetes, EVERYTHING)).items():
                for container in spec["containers"]:
                    label = f"{name}: {container['name']}"
                    words = [*container["command"], *container.get("args", [])]
                    for each in _of_script(words[2]) if words[0] in SHELLS else [words]:
                        yield label, each
                    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                        if "exec" in container.get(probe, {}):
                            yield f"{label} {probe}", container[probe]["exec"]["command"]


def _of_script(script: str) -> list[list[str]]:
    """Return the platform's commands of a shell script, each on a line of its own."""
    programs = ("python ", "dagster-")
    return [shlex.split(line.partition("||")[0]) for line in script.splitlines() if line.startswith(programs)]


def test_the_platform_has_these_commands() -> None:
    programs: dict[str, Any] = {
        "clickstream": CLICKSTREAM,
        "dagster": create_dagster_cli(),  # type: ignore[no-untyped-call]
        "dagster-webserver": dagster_webserver,
        "dagster-daemon": create_dagster_daemon_cli(),
    }
    here = {"/dagster-workspace/workspace.yaml": str(REPOSITORY / "workspace.yaml")}
    seen = set()
    for label, words in commands():
        if words[0] in programs:
            given = [here.get(word, word) for word in words[1:]]
            names = parse(given, programs[words[0]]).names
            assert tuple(words[1 : 1 + len(names)]) == names, label
            seen.add(" ".join([words[0], *names]))
        elif words[:3] == ["python", "-m", "clickstream_platform.health"]:
            _parser({}).parse_args(words[3:])
            seen.add("health")
        else:
            assert words[0] == "python", f"{label}: {words}"
            compile(words[2], label, "exec")
    expected = {"clickstream registry serve", "dagster code-server start", "dagster instance migrate", "health"}
    assert expected | {"dagster-webserver", "dagster-daemon run"} <= seen


@contextmanager
def waiting(folder: Path, *programs: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run what the registry's pod does before the registry starts; yield it, and the environment for more commands."""
    path = os.pathsep.join([*map(str, programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PATH": path, "HOME": str(folder), "CLICKSTREAM_HOME": str(folder)}
    container: Manifest = pods(render())["Deployment/registry"]["initContainers"][0]
    with subprocess.Popen(container["command"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, environment
        finally:
            process.kill()


@pytest.mark.e2e  # processes that start
def test_the_registry_waits_for_its_first_token(tmp_path: Path) -> None:
    with waiting(tmp_path) as (process, environment):
        assert process.stdout is not None
        assert "No API token that is valid" in process.stdout.readline()
        make = ["clickstream", "registry", "tokens", "add", "--scope", "admin", "--quiet", "me"]
        done = subprocess.run(make, env=environment, check=True, capture_output=True, text=True, timeout=60)
        assert done.stdout.strip()
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize(("years", "ends"), [((2020,), False), ((2020, 2999), True)])
def test_the_registry_waits_for_a_token_that_is_valid(tmp_path: Path, years: tuple[int, ...], ends: bool) -> None:
    # With an expired one the registry stops at once, and there would be no container to make another in.
    listed = json.dumps([{"id": f"tk_{year}", "expires_at": f"{year}-01-01T00:00:00+00:00"} for year in years])
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "clickstream").write_text(f"#!/bin/sh\necho '{listed}'\n", encoding="utf-8")
    (programs / "clickstream").chmod(0o755)
    with waiting(tmp_path, programs) as (process, _):
        assert process.stdout is not None
        assert ("No API token that is valid" in process.stdout.readline()) is not ends
        if ends:
            assert process.wait(timeout=60) == 0
