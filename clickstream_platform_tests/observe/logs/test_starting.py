"""Starting the logs of a process: once, whatever the disk and the console are like, in forked processes too."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from clickstream_platform.observe.log_metrics import register_logs
from clickstream_platform.observe.logs.starting import LogOptions, running_logs, start_logging
from clickstream_platform_tests.log_index_stand_in.server import LogIndexStandIn
from clickstream_platform_tests.observe.logs.conftest import StartLogs, until

log = logging.getLogger("clickstream_platform.tests")


def test_a_second_start_keeps_the_first(start: StartLogs) -> None:
    assert start() is start() is running_logs()


def test_the_console_gets_json_or_text(start: StartLogs) -> None:
    for is_json in (True, False):
        console = io.StringIO()
        logs = start_logging(LogOptions("registry", is_json=is_json), console=console)
        log.warning("a line for 'people'")
        logs.close()
        if is_json:
            assert json.loads(console.getvalue())["service.name"] == "registry"
        else:
            assert console.getvalue().endswith("clickstream_platform.tests a line for '<masked>'\n")


def test_a_console_that_is_closed_disturbs_nobody(start: StartLogs, index: LogIndexStandIn) -> None:
    console = io.StringIO()
    console.close()
    logs = start_logging(LogOptions("registry"), console=console)
    log.warning("nobody reads this")
    logs.close()
    assert logs.handler.unwritable == 1


def test_clients_of_the_index_and_low_levels_of_others_are_not_sent(start: StartLogs, index: LogIndexStandIn) -> None:
    start()
    for name in ("urllib3.connectionpool", "opensearch", "elastic_transport.transport"):
        logging.getLogger(name).error("about sending")
    logging.getLogger("botocore.endpoint").debug("a body with values")
    log.info("the only one")
    until(lambda: bool(index.messages()))
    assert index.messages() == ["the only one"]


def test_logging_config_of_others_ends_nothing(start: StartLogs, index: LogIndexStandIn) -> None:
    logs = start()
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    log.info("after dictConfig")
    until(lambda: "after dictConfig" in index.messages())
    assert running_logs() is logs
    assert logs.handler in logging.getLogger().handlers


def test_a_folder_that_cannot_be_made_is_replaced(index: LogIndexStandIn, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    script = f"""
import logging
from pathlib import Path
from clickstream_platform.gateways.log_index import IndexOptions, open_log_index
from clickstream_platform.observe.logs.starting import LogOptions, start_logging
options = LogOptions("run", folder=Path({str(tmp_path / "file" / "logs")!r}))
start_logging(options, lambda: open_log_index(IndexOptions({index.url!r})))
logging.getLogger("clickstream_platform.x").info("still sent")
"""
    result = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    # The process ended by itself: what it had was sent on the way out.
    assert "still sent" in index.messages()
    assert "can't be kept in" in result.stderr


def test_a_forked_process_logs_for_itself(index: LogIndexStandIn, tmp_path: Path) -> None:
    script = f"""
import logging, os
from pathlib import Path
from clickstream_platform.gateways.log_index import IndexOptions, open_log_index
from clickstream_platform.observe.logs.starting import LogOptions, running_logs, start_logging
options = LogOptions("run", has_console=False, folder=Path({str(tmp_path)!r}))
start_logging(options, lambda: open_log_index(IndexOptions({index.url!r})))
log = logging.getLogger("clickstream_platform.x")
log.info("from the parent")
child = os.fork()
if child == 0:
    log.info("from the child")
    running_logs().close()
    os._exit(0)
os.waitpid(child, 0)
log.info("from the parent again")
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert sorted(index.messages()) == ["from the child", "from the parent", "from the parent again"]
    assert len({each["process.pid"] for each in index.engine.documents.values()}) == 2


def test_sigterm_ends_a_service_in_order(index: LogIndexStandIn, tmp_path: Path) -> None:
    script = f"""
import logging, os, signal, time
from pathlib import Path
from clickstream_platform.gateways.log_index import IndexOptions, open_log_index
from clickstream_platform.observe.logs.starting import LogOptions, start_logging
folder = Path({str(tmp_path)!r})
options = LogOptions("registry", has_console=False, folder=folder, ends_on_sigterm=True)
start_logging(options, lambda: open_log_index(IndexOptions({index.url!r})))
logging.getLogger("clickstream_platform.x").info("the last line")
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""
    result = subprocess.run([sys.executable, "-c", script], check=False, timeout=50)
    assert result.returncode == 128 + signal.SIGTERM
    assert index.messages() == ["the last line"]
    assert list(tmp_path.iterdir()) == []


UNCAUGHT = {
    "main": "int('jane planted')",
    "thread": "thread = threading.Thread(target=int, args=('jane planted',)); thread.start(); thread.join()",
    "destructor": "type('X', (), {'__del__': lambda self: int('jane planted')})()",
    "task": "asyncio.new_event_loop().call_exception_handler({'message': 'x', 'exception': ValueError(31415926535)})",
    "future": "logging.getLogger('asyncio').error('<Future exception=Odd(31415926535)>')",
}


@pytest.mark.parametrize("code", UNCAUGHT.values(), ids=UNCAUGHT)
def test_an_error_that_nobody_caught_is_a_line_without_values(code: str) -> None:
    script = f"""
import asyncio, logging, threading
from clickstream_platform.observe.logs.starting import LogOptions, start_logging
start_logging(LogOptions("collector"))
{code}
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=50)
    (line,) = map(json.loads, result.stderr.splitlines())
    assert line["log.level"] in ("error", "critical")
    assert not any(planted in result.stderr for planted in ("jane", "planted", "31415926535"))


def test_the_end_of_the_logs_gives_the_hooks_back(start: StartLogs) -> None:
    before = sys.excepthook, threading.excepthook, sys.unraisablehook
    logs = start_logging(LogOptions("registry"), console=io.StringIO())
    assert sys.excepthook is not before[0]
    logs.close()
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == before


def test_without_any_folder_a_line_says_that_nothing_is_sent(tmp_path: Path, index: LogIndexStandIn) -> None:
    (tmp_path / "file").write_text("no folder")
    script = f"""
import logging, tempfile
from pathlib import Path
from clickstream_platform.gateways.log_index import IndexOptions, open_log_index
from clickstream_platform.observe.logs.starting import LogOptions, start_logging
tempfile.tempdir = {str(tmp_path / "file")!r}
start_logging(LogOptions("run", has_console=False, folder=Path({str(tmp_path / "file" / "logs")!r})),
              lambda: open_log_index(IndexOptions({index.url!r})))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=50)
    assert "no log line is sent" in result.stderr


def test_the_figures_are_metrics(start: StartLogs, index: LogIndexStandIn) -> None:
    logs = start()
    log.info("one")
    until(lambda: logs.figures.sent == 1)
    registry = CollectorRegistry()
    register_logs(registry)
    text = generate_latest(registry).decode()
    assert 'clickstream_logs_lines_total{outcome="sent"} 1.0' in text
    assert "clickstream_logs_index_away 0.0" in text
