"""The registry's real HTTP service as a process on a free port, which can be killed.

What belongs here: starting and stopping it. What does not: what is asked of it.
"""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import uvicorn

from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.registry import RegistryService, open_registry
from clickstream_platform.registry.http.app import ApiSettings, create_app

READY_SECONDS = 60


def server_of(service: RegistryService, clock: Clock, port: int) -> uvicorn.Server:
    """Return the service's server; nothing is limited, for a test asks much at once."""
    app = create_app(service, ApiSettings(rate_limit="1000000/minute"), clock=clock)
    return uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning", ws="none"))


class RegistryProcess:
    """The service as a process of its own, always on the same port."""

    def __init__(self, database: str, log: Path) -> None:
        """Serve the registry at a database URL, once it is started."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._database, self._log = database, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", __name__, "--database", self._database, "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it, without letting it finish anything."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            return False


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--port", type=int, required=True)
    given, clock = parser.parse_args(), SystemClock()
    with open_registry(given.database, clock) as service:
        server_of(service, clock, given.port).run()


if __name__ == "__main__":
    main()
