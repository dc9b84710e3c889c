"""The processes and tokens of `clickstream dev`; the whole command is tested in `e2e`."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
import typer
from typer.testing import CliRunner

from clickstream_platform.cli import dev_processes, dev_watcher
from clickstream_platform.cli.dev import dev_command
from clickstream_platform.cli.dev_processes import Processes
from clickstream_platform.cli.dev_tokens import prepare_tokens
from clickstream_platform.errors import TerminalError
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.registry.opening import open_registry

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
# A process that ignores what asks it to end, with a child.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(60)
"""


# What `clickstream dev` does, with that process as the one it starts.
STARTER = """
import os, sys, time
from pathlib import Path
from clickstream_platform.cli.dev_processes import Processes
with Processes() as processes:
    command = [sys.executable, "-c", sys.argv[2], sys.argv[1]]
    processes.start("stubborn", command, Path(sys.argv[1]).parent, dict(os.environ))
    processes.wait()
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


def is_alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(is_so: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children_of(process_id: int) -> set[int]:
    return {
        int(stat_file.parent.name)
        for stat_file in Path("/proc").glob("[0-9]*/stat")
        if _parent(stat_file) == process_id
    }


def _parent(stat_file: Path) -> int:
    try:
        return int(stat_file.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_the_block_ends_with_the_code_of_the_first_process_that_ends_and_the_others_end_too(tmp_path: Path) -> None:
    with Processes() as processes:
        processes.start("sleeper", SLEEP, tmp_path, dict(os.environ))
        processes.start("failing", [sys.executable, "-c", "raise SystemExit(7)"], tmp_path, dict(os.environ))
        assert processes.wait() == 7
        (_, sleeper), _ = processes._started
    assert sleeper.poll() == -signal.SIGINT


def test_a_signal_ends_the_block_quietly_and_the_handlers_are_those_of_before(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Processes() as processes:
        processes.start("sleeper", SLEEP, tmp_path, dict(os.environ))
        (_, sleeper) = processes._started[0]
        os.kill(os.getpid(), signal.SIGTERM)
        processes.wait()
    assert sleeper.poll() is not None
    assert signal.getsignal(signal.SIGTERM) is before


@needs_proc
def test_a_process_that_does_not_end_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_processes, "STOP_SECONDS", 0.5)
    child_file = tmp_path / "child"
    with Processes() as processes:
        processes.start("stubborn", [sys.executable, "-c", STUBBORN, str(child_file)], tmp_path, dict(os.environ))
        wait_until(lambda: child_file.exists() and bool(child_file.read_text()))
        (_, stubborn) = processes._started[0]
    assert stubborn.poll() == -signal.SIGKILL
    assert not is_alive(int(child_file.read_text()))


@needs_proc
def test_whoever_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    child_file = tmp_path / "child"
    kind = STUBBORN.replace("signal.signal(signal.SIGINT, signal.SIG_IGN)", "")
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(child_file), kind])
    try:
        wait_until(lambda: child_file.exists() and bool(child_file.read_text()))
        left = {*children_of(starter.pid), int(child_file.read_text())}
        assert len(left) == 3, "the process, its child, and the watcher"
        assert all(map(is_alive, left))
    finally:
        starter.kill()
        starter.wait()
    wait_until(lambda: not any(map(is_alive, left)))


def test_the_watcher_spares_groups_when_it_is_told_that_all_is_done() -> None:
    sleepers = [subprocess.Popen(SLEEP, start_new_session=True) for _ in range(2)]
    try:
        lines = [f"{sleeper.pid}\n" for sleeper in sleepers]
        dev_watcher.watch([*lines, f"{dev_watcher.DONE}\n"])
        assert [sleeper.poll() for sleeper in sleepers] == [None, None]
        dev_watcher.end_groups([sleepers[0].pid], signal.SIGTERM, reap=sleepers[0].poll)
        assert [sleeper.poll() for sleeper in sleepers] == [-signal.SIGTERM, None]
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()


def test_the_watcher_ends_with_the_block(tmp_path: Path) -> None:
    with Processes() as processes:
        processes.start("sleeper", SLEEP, tmp_path, dict(os.environ))
        watcher = processes._watcher
        assert watcher.poll() is None
    assert watcher.returncode == 0


def test_a_block_whose_watcher_was_killed_ends_as_well(tmp_path: Path) -> None:
    with Processes() as processes:
        processes._watcher.kill()
        processes._watcher.wait()
        processes.start("failing", [sys.executable, "-c", "raise SystemExit(7)"], tmp_path, dict(os.environ))
        assert processes.wait() == 7


def test_a_process_that_ends_before_it_answers_is_an_error(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    with Processes() as processes:
        processes.start("the registry", command, tmp_path, dict(os.environ))
        with pytest.raises(TerminalError, match="starting the registry: it ended with code 3"):
            processes.wait_for("the registry", "http://127.0.0.1:9/readyz")


def test_tokens_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    files = prepare_tokens(url, tmp_path / "registry")
    texts = (files.admin.read_text(), files.loader.read_text())
    assert prepare_tokens(url, tmp_path / "registry") == files
    assert (files.admin.read_text(), files.loader.read_text()) == texts
    assert {stat.S_IMODE(file.stat().st_mode) for file in (files.admin, files.loader)} == {0o600}
    with open_registry(url, SystemClock()) as registry:
        assert [registry.authenticate(text.strip()).scope for text in texts] == ["admin", "loader"]


def test_a_token_that_is_lost_or_of_another_registry_is_replaced_and_taken_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    files = prepare_tokens(url, tmp_path / "registry")
    files.admin.write_text("cst_of_another_registry\n")
    files.loader.unlink()
    prepare_tokens(url, tmp_path / "registry")
    with open_registry(url, SystemClock()) as registry:
        assert registry.authenticate(files.admin.read_text().strip()).scope == "admin"
        tokens = registry.list_tokens()
    assert len(tokens) == 4
    assert sorted(token.scope for token in tokens if token.revoked_at is None) == ["admin", "loader"]


class Noted(Processes):
    """Notes what is to be started, and starts none of it."""

    noted: ClassVar[dict[str, tuple[list[str], dict[str, str]]]] = {}

    def start(self, name: str, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.noted[name] = command[1:], environment

    def wait_for(self, name: str, url: str) -> None:
        """Wait for nobody."""

    def wait(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("options", "exporter"),
    [
        ([], ["exporter", "--host", "127.0.0.1", "--port", "9464"]),
        (["--exporter-port", "9999", "--host", "::1"], ["exporter", "--host", "::1", "--port", "9999"]),
        (["--no-exporter"], None),
    ],
)
def test_the_exporter_looks_at_the_dagster_that_is_started_with_it(
    options: list[str], exporter: list[str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    monkeypatch.setattr(dev_processes, "Processes", Noted)
    monkeypatch.setattr(Noted, "noted", {})
    app = typer.Typer()
    app.command()(dev_command)
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 0, done.output
    assert [*Noted.noted] == ["the registry", "Dagster", *(["the exporter"] if exporter else [])]
    if exporter is not None:
        command, environment = Noted.noted["the exporter"]
        assert command == exporter
        assert environment == Noted.noted["Dagster"][1]
        assert environment["DAGSTER_HOME"] == str(tmp_path / "dagster")
        assert environment["CLICKSTREAM_REGISTRY_API_URL"].endswith(":8400")


def test_the_command_says_where_nothing_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("CLICKSTREAM_REGISTRY_URL", "nonsense")
    app = typer.Typer()
    app.command()(dev_command)
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 1
    assert "reading the registry's URL" in done.stderr
