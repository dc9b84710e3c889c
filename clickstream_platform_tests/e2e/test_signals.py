"""One signal to `clickstream dev` ends every process that it started, whatever the signal."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from clickstream_platform_tests.e2e.stack import processes_of, running_stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_one_signal_ends_every_process(tmp_path: Path, ending: signal.Signals) -> None:
    with running_stack(tmp_path, with_demo=False) as stack:
        (dev,) = stack.processes
        started = processes_of(tmp_path)
        assert dev.pid in started
        assert len(started) >= 7, "dev, its watcher, the registry, dg, webserver, daemon, code server"
        dev.send_signal(ending)
        wait_until(lambda: not processes_of(tmp_path), 40, lambda: f"{processes_of(tmp_path)} of {started} go on")
        assert dev.wait(5) == (-signal.SIGKILL if ending == signal.SIGKILL else 0)
        with pytest.raises(OSError, match="refused"):
            stack.runs()
