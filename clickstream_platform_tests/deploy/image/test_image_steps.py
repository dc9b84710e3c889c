"""The image's own steps, executed: a fresh folder, the same scripts, every program started as another user.

It downloads the packages of the lock files with their hashes, as an image's build does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clickstream_platform_tests.shared_data import REPOSITORY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

USER = 10001
MAX_MEGABYTES = 900
IMAGE = REPOSITORY / "deploy" / "image"
# The system's Python: one in a person's home can't be started by another user.
PYTHON = next((path for name in ("3.13", "3.12", "3.11") if (path := Path(f"/usr/bin/python{name}")).exists()), None)


@dataclass(frozen=True)
class Built:
    """Where the steps put things: the image's folder, the tools, a folder that the other user may write to."""

    prefix: Path
    tools: Path
    writable: Path

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the image's user, with the environment of a pod."""
        as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
        place = {"PATH": f"{self.prefix}/.venv/bin:/usr/bin:/bin", "HOME": str(self.writable), **environment}
        return subprocess.run(
            [*as_user, *command], check=False, capture_output=True, text=True, cwd=self.prefix, env=place
        )


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    """Do the steps of the build stage from a copy of what .dockerignore lets through."""
    if os.geteuid() != 0 or PYTHON is None or shutil.which("setpriv") is None:
        pytest.skip("needs root, setpriv and a system's Python 3.11 to 3.13, to start programs as another user")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        source, writable = folder / "src", folder / "writable"
        _copy_context(source)
        writable.mkdir()
        os.chown(writable, USER, USER)
        found = Built(folder / "opt", folder / "tools", writable)
        _step("install.sh", str(source), str(found.prefix), str(found.tools), str(PYTHON))
        _step("sbom.sh", str(found.prefix), str(found.tools), str(folder / "sbom"))
        yield found


def _copy_context(source: Path) -> None:
    ignore = (REPOSITORY / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    for name in (line[1:] for line in ignore if line.startswith("!")):
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(REPOSITORY / name, source / name)


def _step(script: str, *arguments: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CLICKSTREAM_", "VIRTUAL"))
    }
    done = subprocess.run(
        ["sh", str(IMAGE / script), *arguments], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_every_program_starts_as_another_user_in_a_tree_that_it_cannot_write(built: Built) -> None:
    done = built.run("sh", str(IMAGE / "smoke.sh"), str(built.prefix), str(built.writable))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("definitions load\n")


def test_rows_come_out_of_it(built: Built) -> None:
    home = built.writable / "demo"
    done = built.run("clickstream", "demo", CLICKSTREAM_HOME=str(home), TMPDIR=str(built.writable))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    sql = "SELECT count(*) AS n FROM bigshop.tracks"
    query = built.run("clickstream", "query", "--json", sql, CLICKSTREAM_HOME=str(home), TMPDIR=str(built.writable))
    assert re.search(r"[1-9]\d{2,}", query.stdout), query.stdout + query.stderr


def test_it_is_small_and_has_nothing_that_installs(built: Built) -> None:
    files = [path for path in built.prefix.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < MAX_MEGABYTES * 1_000_000
    names = {path.name for path in (built.prefix / ".venv" / "bin").iterdir()}
    assert {"clickstream", "dagster", "dagster-webserver", "dagster-daemon"} <= names
    assert not {"pip", "uv", "pytest", "ruff"} & names
    assert not [path for path in files if path.stat().st_mode & 0o022], "nobody else may write"


def test_the_bill_of_materials_names_every_package(built: Built) -> None:
    bill = json.loads((built.prefix.parent / "sbom" / "python.cdx.json").read_text())
    listed = {each["name"].lower().replace("_", "-") for each in bill["components"]}
    lock = (IMAGE / "requirements.lock").read_text()
    locked = {
        match.group(1) for match in re.finditer(r"^([a-z0-9][a-z0-9.-]*)(?:\[\S+\])?==[^;\n]*$", lock, re.MULTILINE)
    }
    assert bill["bomFormat"] == "CycloneDX"
    assert {name.replace(".", "-") for name in locked} - {name.replace(".", "-") for name in listed} == set()
