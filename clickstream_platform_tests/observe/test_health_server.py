"""/metrics, /healthz and /readyz of a process without any other HTTP."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.observe.health_server import serving_health


def test_the_three_paths() -> None:
    metrics, reasons = CollectorRegistry(), {"alive": "", "ready": "no leases yet"}
    Gauge("things", "Things.", registry=metrics).set(3)
    with (
        serving_health(
            "127.0.0.1", 0, metrics, is_alive=lambda: reasons["alive"], is_ready=lambda: reasons["ready"]
        ) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        assert "things 3.0" in client.get("/metrics").text
        assert client.get("/healthz").status_code == 200
        answer = client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "no leases yet\n")
        reasons.update(alive="a thread makes no step", ready="")
        assert client.get("/healthz").status_code == 503
        assert client.get("/readyz").text == "ok\n"
        assert client.get("/").status_code == 404
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)


def test_an_address_in_use_is_told() -> None:
    metrics = CollectorRegistry()
    with (
        serving_health("127.0.0.1", 0, metrics) as port,
        pytest.raises(ConfigurationError, match="Choose another --port"),
        serving_health("127.0.0.1", port, metrics),
    ):
        pytest.fail("two servers on one port")
