"""The same reload where code server, webserver and daemon are processes of their own, as in Kubernetes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from clickstream_platform.cli.dev_tokens import prepare_tokens
from clickstream_platform.defs.driver import prepare_home
from clickstream_platform.defs.state import STEPS
from clickstream_platform_tests.e2e.stack import (
    COMMAND,
    Stack,
    nothing_left,
    running_process,
    wait_for_code_location,
    wait_for_port,
    wait_until,
)
from clickstream_platform_tests.e2e.test_following_the_registry import NEW_CUSTOMER_SECONDS, closed_hour, ingest, report
from clickstream_platform_tests.e2e.test_following_the_registry import wait_for_rows as wait_for_rows_of
from clickstream_platform_tests.servers import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

BIN = Path(sys.executable).parent
WORKSPACE = """
load_from:
  - grpc_server:
      host: 127.0.0.1
      port: {port}
      location_name: clickstream_platform
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("home")
    dagster_home = prepare_home(home / "dagster")
    tokens = prepare_tokens(f"sqlite:///{home}/registry.db", home / "registry")
    ports = {name: str(free_port()) for name in ("code", "web", "registry")}
    stack = Stack(home, f"http://127.0.0.1:{ports['web']}", f"http://127.0.0.1:{ports['registry']}")
    environment = {
        "CLICKSTREAM_HOME": str(home),
        "DAGSTER_HOME": str(dagster_home),
        "CLICKSTREAM_DAGSTER_WEBSERVER_URL": stack.url,
        "CLICKSTREAM_REGISTRY_API_URL": stack.registry_url,
        "CLICKSTREAM_REGISTRY_TOKEN_REFERENCE": f"file:{tokens.loader}",
    }
    workspace = home / "workspace.yaml"
    workspace.write_text(WORKSPACE.format(port=ports["code"]))
    code_server = ["code-server", "start", "--module-name", "clickstream_platform.definitions", "--host", "127.0.0.1"]
    commands = {
        "registry": [str(COMMAND), "registry", "serve", "--port", ports["registry"]],
        "code": [str(BIN / "dagster"), *code_server, "--port", ports["code"]],
        "web": [str(BIN / "dagster-webserver"), "--workspace", str(workspace), "--port", ports["web"]],
        "daemon": [str(BIN / "dagster-daemon"), "run", "--workspace", str(workspace)],
    }
    with nothing_left(home), ExitStack() as processes:
        started = {}
        for name, command in commands.items():
            log = home / f"{name}.log"
            started[name] = processes.enter_context(running_process(command, environment, log))
            if name in ports:
                wait_for_port(ports[name], started[name], log)
        wait_for_code_location(stack, started["web"], home / "web.log")
        yield replace(stack, processes=tuple(started.values()))


def assets_of(customer: str) -> set[tuple[str, ...]]:
    """Return the keys of all assets of a customer."""
    return {(customer, step) for step in STEPS}


def test_a_new_customer_is_loaded_without_a_restart_of_any_process(stack: Stack) -> None:
    assert stack.assets() == set()
    stack.call("POST", "/customers", {"name": "acme"})
    stack.call("POST", "/customers/acme/events", {"name": "sale"})
    seconds = wait_until(
        lambda: ("acme", "event_tables") in stack.assets() and "sale" in stack.partitions("acme"),
        NEW_CUSTOMER_SECONDS,
        lambda: f"{stack.assets()} {(stack.home / 'daemon.log').read_text()[-3_000:]}",
    )
    report("separate processes: API call -> a new customer's assets and partition are visible", seconds)
    assert stack.assets() == assets_of("acme")
    assert stack.partitions("acme") == ["sale"]
    assert stack.runs() == [], "nothing has arrived that could be loaded"
    hour = closed_hour()
    ingest(stack, "acme", "sale", hour)
    report("separate processes: ingest -> rows", wait_for_rows_of(stack, "acme", "sale", {str(hour): 3}))
    (run,) = stack.wait_for_runs(1, 60)
    assert run["status"] == "SUCCESS"
    assert {tag["key"]: tag["value"] for tag in run["tags"]}["clickstream/customer"] == "acme"
    assert stack.rows("acme", "sale") == {str(hour): 3}
    assert [process.poll() for process in stack.processes] == [None] * 4


def test_a_removed_customer_has_no_assets_any_more(stack: Stack) -> None:
    stack.call("POST", "/customers", {"name": "beta"})
    wait_until(lambda: assets_of("beta") <= stack.assets(), NEW_CUSTOMER_SECONDS, lambda: f"{stack.assets()}")
    assert stack.assets() == assets_of("acme") | assets_of("beta")
    rows, runs = stack.rows("acme", "sale"), stack.runs()
    assert sum(rows.values()) == 3
    stack.call("DELETE", "/customers/acme")
    seconds = wait_until(
        lambda: ("acme", "event_tables") not in stack.assets(), NEW_CUSTOMER_SECONDS, lambda: f"{stack.assets()}"
    )
    report("separate processes: removal -> no assets", seconds)
    assert stack.assets() == assets_of("beta"), "all of this customer's are gone, and no other's"
    assert stack.call("GET", "/customers/acme")["removed_at"] is not None
    assert stack.rows("acme", "sale") == rows, "what is loaded stays"
    assert stack.runs() == runs
    assert [process.poll() for process in stack.processes] == [None] * 4
