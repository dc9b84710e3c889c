"""The Dockerfile, its lock files and its scripts as text: what an image must be, whatever builds it."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from clickstream_platform_tests.shared_data import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
IMAGE = DEPLOY / "image"
SCRIPTS = sorted(IMAGE.glob("*.sh"))
_PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile as (instruction, arguments), lines joined."""
    text = (DEPLOY / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def stages() -> dict[str, list[tuple[str, str]]]:
    """Return the instructions of each stage by its name; those before the first are under the empty name."""
    found: dict[str, list[tuple[str, str]]] = {"": []}
    name = ""
    for instruction, arguments in instructions():
        if instruction == "FROM":
            name = arguments.partition(" AS ")[2]
            found[name] = []
        found[name].append((instruction, arguments))
    return found


def pins(lock: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Return version and hashes of each package of a lock file."""
    text = lock.read_text()
    starts = [*(match.start() for match in _PIN.finditer(text)), len(text)]
    found = {}
    for start, end in pairwise(starts):
        entry = text[start:end]
        match = _PIN.match(entry)
        assert match is not None
        found[match.group(1)] = (match.group(2), frozenset(re.findall(r"sha256:[0-9a-f]{64}", entry)))
    return found


def test_every_base_is_pinned_by_a_digest_that_the_builder_must_give() -> None:
    bases = [arguments.partition(" AS ")[0] for name, arguments in instructions() if name == "FROM"]
    assert set(bases) == {"${BASE_IMAGE}@${BASE_DIGEST}", "scratch"}
    assert ("ARG", "BASE_DIGEST") in stages()[""], "no default: a digest goes out of date"


def test_the_steps_are_the_scripts_and_nothing_else_is_fetched() -> None:
    runs = [shlex.split(arguments) for name, arguments in stages()["build"] if name == "RUN"]
    assert [words[:2] for words in runs] == [["sh", "deploy/image/install.sh"], ["sh", "deploy/image/sbom.sh"]]
    assert not [name for name, _ in instructions() if name == "ADD"]
    text = " ".join(arguments for name, arguments in instructions() if name == "RUN")
    assert not re.search(r"curl|wget|apt-get|pip install|chmod 777|sudo", text)


def test_the_image_runs_as_nobody_special_and_writes_nowhere_of_its_own() -> None:
    last = stages()["image"]
    assert [arguments for name, arguments in last if name == "USER"] == ["10001:10001"]
    assert last[-1][0] == "CMD"
    assert last[-1][1].startswith("["), "a shell would keep SIGTERM from the program"
    copied = [arguments for name, arguments in last if name == "COPY"]
    assert all(each.startswith("--from=build ") for each in copied)
    assert not any("--chown" in each for each in copied), "what runs does not belong to who runs it"
    environment = next(arguments for name, arguments in last if name == "ENV")
    for expected in ("DAGSTER_HOME=/srv/dagster", "PYTHONDONTWRITEBYTECODE=1", "HOME=/tmp"):
        assert expected in environment
    assert not re.search(r"(?i)password|secret|token|access_key", environment)


def test_the_bill_of_materials_is_a_target_of_its_own() -> None:
    assert stages()["sbom"][0] == ("FROM", "scratch AS sbom")
    assert ("COPY", "--from=build /srv/sbom/ /") in stages()["sbom"]


def test_the_build_gets_what_it_copies_and_nothing_else() -> None:
    ignore = [
        line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    assert ignore[0] == "*"
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    loop = re.search(r"^for name in (.*); do$", (IMAGE / "install.sh").read_text(), re.MULTILINE)
    assert loop is not None
    assert allowed == {*loop.group(1).split(), "deploy/image"}
    assert "pyproject.toml" in allowed
    assert all((REPOSITORY / name).exists() for name in allowed)


def test_the_image_has_the_versions_that_are_tested() -> None:
    tested, shipped = pins(REPOSITORY / "requirements.lock"), pins(IMAGE / "requirements.lock")
    assert {name: pin for name, pin in shipped.items() if tested.get(name) != pin} == {}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    wanted = {canonicalize_name(Requirement(text).name) for text in project["project"]["dependencies"]}
    assert wanted - shipped.keys() == set()
    assert not {"pytest", "mypy", "ruff", "hatchling", "pip", "playwright", "ministack"} & shipped.keys()


@pytest.mark.parametrize("name", ["requirements.lock", "tools.lock"])
def test_every_pin_has_hashes(name: str) -> None:
    found = pins(IMAGE / name)
    assert found
    assert {package for package, (_, hashes) in found.items() if not hashes} == set()
    assert "://" not in (IMAGE / name).read_text(), "no address of a registry"


def test_the_tools_are_the_versions_of_the_working_copy() -> None:
    version = re.search(r"^UV_VERSION := (\S+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert version is not None
    tools = pins(IMAGE / "tools.lock")
    assert tools["uv"][0] == version.group(1)
    assert {"hatchling", "editables", "cyclonedx-bom"} <= tools.keys()


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.name for script in SCRIPTS])
def test_scripts_stop_at_the_first_failure_and_need_no_more_than_sh(script: Path) -> None:
    text = script.read_text()
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -eu\n" in text
    assert subprocess.run(["sh", "-n", str(script)], check=False, capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize(
    ("hatchling", "expected"),
    [("echo no version here >&2; exit 1", "no version here"), ("exit 0", "nothing was compiled")],
    ids=["the package", "byte code"],
)
def test_an_installation_that_stops_says_why(tmp_path: Path, hatchling: str, expected: str) -> None:
    prefix, tools = tmp_path / "prefix", tmp_path / "tools"
    programs = {tools / "bin" / name: "exit 0" for name in ("python", "uv")}
    programs |= {tools / "bin" / "hatchling": hatchling, prefix / ".venv" / "bin" / "python": "exit 0"}
    for program, body in programs.items():
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    (prefix / ".venv" / "lib" / "python3.11" / "site-packages" / "pyarrow").mkdir(parents=True)
    command = ["sh", str(IMAGE / "install.sh"), str(REPOSITORY), str(prefix), str(tools), str(tools / "bin" / "python")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert expected in done.stderr
