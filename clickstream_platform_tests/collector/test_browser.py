"""@segment/analytics-next, unmodified, in a headless Chromium whose page comes from another origin than the collector.

Part of `make test-e2e`, for it needs a browser.
"""

from __future__ import annotations

import dataclasses
import functools
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform_tests.collector.running import CUSTOMER, FAST, KEY, Collector, MemorySink, running_collector
from clickstream_platform_tests.collector.test_sdks import SlowKeys, busy_at_first
from clickstream_platform_tests.npm import install_packages

VERSION = "1.84.3"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
SENT = ["aliases", "groups", "identifies", "order_completed", "pages", "screens"]
PAGE = """<!doctype html><title>Shop</title><script src="index.js"></script><script>
const batching = %s
const analytics = AnalyticsNext.AnalyticsBrowser.load(
  { writeKey: '%s', cdnURL: '%s' },
  { integrations: { 'Segment.io': { deliveryStrategy: { strategy: batching ? 'batching' : 'standard',
      config: { size: 6, timeout: 300 } } } } })
async function send() {
  await analytics.identify('u1', { email: 'a@b.c' })
  await analytics.track('Order Completed', { total: 1.5, 'Größe': 'x', products: [{ sku: 'a' }] })
  await analytics.page('Docs', 'Home', { path: '/x' })
  await analytics.screen('App', 'Main')
  await analytics.group('g1', { employees: 7 })
  await analytics.alias('u2', 'u1')
}
</script>"""
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"),
]


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Be silent."""


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Serve a folder at an origin of its own."""
    handler = functools.partial(_Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def visit(
    collector: Collector, folder: Path, *, batching: bool, sink: MemorySink, before_sending: Callable[[], object]
) -> None:
    """Open the page, send every kind of event, wait until they have arrived or time is up."""
    from playwright.sync_api import sync_playwright

    (folder / "page.html").write_text(PAGE % ("true" if batching else "false", KEY, collector.url), encoding="utf-8")
    with site(folder) as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        page = browser.new_page()
        page.goto(f"{origin}/page.html")
        before_sending()
        page.evaluate("send()")
        deadline = time.monotonic() + 40
        while len({event.event for event in sink.events}) < len(SENT) and time.monotonic() < deadline:
            page.wait_for_timeout(100)
        page.wait_for_timeout(500)
        browser.close()


@pytest.mark.parametrize("trouble", ["none", "storage", "rate"])
@pytest.mark.parametrize("batching", [False, True], ids=["single", "batching"])
def test_a_browser_delivers_every_event_once(tmp_path: Path, batching: bool, trouble: str) -> None:
    packages = install_packages(f"analytics-next-{VERSION}", f"@segment/analytics-next@{VERSION}")
    folder = tmp_path / "site"
    shutil.copytree(packages / "node_modules" / "@segment" / "analytics-next" / "dist" / "umd", folder)
    sink, keys = MemorySink(), SlowKeys()
    with running_collector(sink, keys=keys, delivery=dataclasses.replace(FAST, retry_after_seconds=1)) as collector:
        if trouble == "storage":
            sink.behaviour = busy_at_first()

        def use_up() -> None:
            """Leave nothing of the customer's allowance, which grows again while a browser starts."""
            if trouble == "rate":
                keys.limits[CUSTOMER] = 7.0
                collector.post("/v1/batch", {"batch": [{"type": "page", "messageId": f"x{n}"} for n in range(100)]})

        visit(collector, folder, batching=batching, sink=sink, before_sending=use_up)
        refusals = collector.metric("clickstream_collector_refused_requests_total", limit=trouble)
    events = [event for event in sink.events if not event.message_id.startswith("x")]
    assert sorted(event.event for event in events) == SENT
    assert all(KEY.encode() not in event.line for event in events)
    assert all(b'"ip":"127.0.0.1"' in event.line for event in events)
    assert (refusals > 0) is (trouble != "none")
