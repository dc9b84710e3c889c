"""The question to each service, and what its answer means for a liveness and for a readiness probe.

Belongs here: which service is asked what. Does not: reading arguments (`__main__`), when a daemon is well (`judging`).

What can't be told keeps a process alive and makes it not ready: a restart does not bring a database back.
"""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.gateways.dagster_tables import DagsterStorageError, Environment, read_daemon
from clickstream_platform.health.judging import LIVE, READY, SENSORS, Limits, Verdict, judge_daemon

ADDRESSES = {
    "daemon": "",
    "code-server": "127.0.0.1:4000",
    "webserver": "http://127.0.0.1:3000",
    "registry": "http://127.0.0.1:8400",
    "collector": "http://127.0.0.1:8080",
    "batcher": "http://127.0.0.1:9465",
    "exporter": "http://127.0.0.1:9464",
}
"""Services and where they are asked by default; for the daemon: the code server, if that is to be asked, too."""
GRPC_SERVICE = "DagsterApi"
CONNECT_SECONDS = 3.0
MAX_CHARACTERS = 300
# The cheapest one that needs the webserver's event loop, its worker threads and its database.
QUESTION = "{ runsOrError(limit: 1) { __typename } }"

# A proxy that the environment names is for the way out; what it says of a service beside us means nothing.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Probe:
    """One question."""

    service: str
    """One of ADDRESSES."""
    is_readiness: bool = False
    address: str = ""
    """Empty: the one of ADDRESSES."""
    seconds: float = 10.0
    """How long the answer may take."""
    home: Path | None = None
    """DAGSTER_HOME, for the daemon."""
    sensors: Collection[str] = SENSORS
    limits: Limits | None = None
    """For the daemon; None: LIVE or READY."""

    def ask(self, environment: Environment) -> Verdict:
        """Return what the service's answer means; raise ConfigurationError when it can't be asked at all."""
        address = self.address or ADDRESSES[self.service]
        if self.service == "daemon":
            return self._ask_daemon(address, environment)
        if self.service == "code-server":
            return self._ask_code_server(address)
        if self.service == "webserver":
            return self._ask_webserver(address)
        return self._get(f"{address.rstrip('/')}/{'readyz' if self.is_readiness else 'healthz'}")

    def _ask_daemon(self, code_server: str, environment: Environment) -> Verdict:
        limits = self.limits or (READY if self.is_readiness else LIVE)
        try:
            records = read_daemon(self.home or Path(), environment)
        except DagsterStorageError as error:
            return Verdict(not self.is_readiness, _line(error))
        # Without a code server nothing ticks, and a restart of the daemon would not help.
        sensors = () if code_server and not _is_listening(code_server) else self.sensors
        verdict = judge_daemon(records, SystemClock().now(), limits, sensors=sensors, is_strict=self.is_readiness)
        if sensors or not self.sensors:
            return verdict
        text = f"{verdict.text}; sensors not judged: nothing listens on {code_server}"
        return Verdict(verdict.is_healthy and not self.is_readiness, text)

    def _ask_code_server(self, address: str) -> Verdict:
        from clickstream_platform.gateways.grpc_health import ask_grpc_health

        reason = ask_grpc_health(address, GRPC_SERVICE, self.seconds)
        return Verdict(not reason, f"{GRPC_SERVICE} on {address}: {reason or 'serving'}")

    def _ask_webserver(self, address: str) -> Verdict:
        if not self.is_readiness:
            return self._get(f"{address.rstrip('/')}/server_info")
        url = f"{address.rstrip('/')}/graphql"
        body = json.dumps({"query": QUESTION}).encode()
        verdict = self._get(urllib.request.Request(url, body, {"Content-Type": "application/json"}))  # noqa: S310
        if verdict.is_healthy and '"Runs"' not in verdict.text:
            return Verdict(False, f"{url} can't list runs")
        return Verdict(verdict.is_healthy, f"{url} lists runs" if verdict.is_healthy else verdict.text)

    def _get(self, request: str | urllib.request.Request) -> Verdict:
        url = request if isinstance(request, str) else request.full_url
        try:
            try:
                with _DIRECT.open(request, timeout=self.seconds) as answer:
                    return Verdict(True, f"{url}: {_cut(answer.read(MAX_CHARACTERS).decode(errors='replace'))}")
            except urllib.error.HTTPError as error:
                reason = error.read(MAX_CHARACTERS).decode(errors="replace")
                return Verdict(False, f"{url}: {error.code} {_cut(reason)}")
        except (OSError, ValueError, HTTPException) as error:
            return Verdict(False, f"{url}: {_cut(str(getattr(error, 'reason', '') or error) or type(error).__name__)}")


def _is_listening(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS):
            return True
    except (OSError, ValueError):
        return False


def _line(error: ClickstreamError) -> str:
    return f"can't tell: {_cut(str(error))}"


def _cut(text: str) -> str:
    return " ".join(text.split())[:MAX_CHARACTERS]
