"""Reloading by the registry sensor, against a webserver that answers as Dagster's does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from clickstream_platform.defs.reloading import describe_change
from clickstream_platform_tests.defs.stand_ins import Workbench, state_of

RELOADED = {
    "reloadRepositoryLocation": {
        "__typename": "WorkspaceLocationEntry",
        "locationOrLoadError": {"__typename": "RepositoryLocation"},
    }
}
UNKNOWN = {"reloadRepositoryLocation": {"__typename": "RepositoryLocationNotFound", "message": "no such location"}}


@dataclass
class Webserver:
    """Answers every GraphQL request with `answer` and keeps the variables it was asked with."""

    answer: dict[str, Any] = field(default_factory=lambda: RELOADED)
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def webserver() -> Iterator[Webserver]:
    found = Webserver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.asked.append(body["variables"])
            answer = json.dumps({"data": found.answer}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


def use(bench: Workbench, url: str) -> None:
    """Set the webserver's URL."""
    bench.wiring.settings = bench.wiring.settings.model_copy(update={"dagster_webserver_url": url})


def test_nothing_is_asked_while_all_customers_have_their_assets(bench: Workbench, webserver: Webserver) -> None:
    use(bench, webserver.url)
    assert bench.tick("registry").skip_message == "all 2 customers have their assets and partitions"
    assert webserver.asked == []


def test_a_new_customer_makes_the_webserver_reload_the_location(bench: Workbench, webserver: Webserver) -> None:
    use(bench, webserver.url)
    bench.wiring.registry.add_customer("newcomer")
    message = bench.tick("registry").skip_message
    assert message == "new customers: newcomer. The code location clickstream_platform was reloaded"
    assert webserver.asked == [{"location": "clickstream_platform"}]


def test_the_same_change_is_asked_for_again_only_after_some_minutes(bench: Workbench, webserver: Webserver) -> None:
    use(bench, webserver.url)
    bench.wiring.registry.add_customer("newcomer")
    cursor = bench.tick("registry").cursor
    assert "has not shown them yet" in bench.tick("registry", cursor).skip_message
    assert len(webserver.asked) == 1
    bench.wiring.clock.advance(timedelta(minutes=5))
    bench.tick("registry", cursor)
    bench.wiring.registry.add_customer("another")
    bench.tick("registry", cursor)
    assert len(webserver.asked) == 3


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1:9", "No webserver answered at http://127.0.0.1:9"),
        ("", "No webserver is set to be asked"),
    ],
)
def test_without_a_webserver_the_tick_says_what_to_do(bench: Workbench, url: str, text: str) -> None:
    use(bench, url)
    bench.wiring.registry.add_customer("newcomer")
    message = bench.tick("registry").skip_message
    assert message.startswith(f"new customers: newcomer. {text}")
    assert "Reload clickstream_platform under Deployment in the UI" in message


def test_a_refused_reload_says_why(bench: Workbench, webserver: Webserver) -> None:
    use(bench, webserver.url)
    webserver.answer = UNKNOWN
    bench.wiring.registry.add_customer("newcomer")
    message = bench.tick("registry").skip_message
    assert "The reload failed (RepositoryLocationNotFound: no such location)" in message


def test_changes_are_named() -> None:
    before, after = state_of("acme", "tiny"), state_of("acme", "zoo")
    assert describe_change(before, after) == "new customers: zoo; removed customers: tiny"
