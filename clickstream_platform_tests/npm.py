"""Packages of npm that tests need: installed on first use into a folder of the user's cache, by exact versions.

What belongs here: installing them, and running a script beside them. What does not: what is tested with them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

INSTALL_SECONDS = 120


def install_packages(name: str, *packages: str) -> Path:
    """Return the folder `name` with the node_modules of such packages (`kinesalite@3.3.3`), installing them once.

    Their install scripts don't run. The test is skipped where node, npm or a package can't be had.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip(f"node and npm are not installed: they run {name}")
    folder = _cache_folder() / name
    if not (folder / "node_modules").is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _install(npm, folder, packages)
    return folder


def run_script(folder: Path, script: str, *arguments: str, timeout_seconds: float = 60) -> str:
    """Run a script with the packages of a folder, and return what it prints; a failure fails the test."""
    node = shutil.which("node") or "node"
    done = subprocess.run(
        [node, "-e", script, "--", *arguments],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "clickstream-tests"


def _install(npm: str, folder: Path, packages: tuple[str, ...]) -> None:
    """Install beside the place and move it there whole: test processes may do so at the same time."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="installing-") as work:
        command = [npm, "install", "--prefix", work, "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
        try:
            done = subprocess.run(
                [*command, *packages], check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm did not install {' '.join(packages)} in {INSTALL_SECONDS} s")
        if done.returncode:
            pytest.skip(f"npm can't install {' '.join(packages)}: {done.stderr[-300:]}")
        try:
            Path(work).rename(folder)
        except OSError:  # another process was faster
            if not (folder / "node_modules").is_dir():
                raise
        else:
            Path(work).mkdir()  # for the context manager, which deletes it
