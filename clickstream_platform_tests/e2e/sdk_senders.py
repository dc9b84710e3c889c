"""Real SDKs, unmodified, each made to send one event of every kind; every event's user is the name of the scenario.

What belongs here: running them. What does not: what happens to what they send.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform_tests.collector.test_browser import CHROMIUM, CHROMIUM_OPTIONS, VERSION, site
from clickstream_platform_tests.e2e.faulty_proxy import FaultyProxy
from clickstream_platform_tests.npm import install_packages, run_script

SENT_IN_BROWSERS = ("aliases", "groups", "identifies", "order_completed", "pages", "screens")
SENT = (*SENT_IN_BROWSERS, "nan_event")
PATIENCE_MS = 60_000

_NODE_EVENTS = """
client.identify({userId: user, traits: {email: 'a@b.c', signup: new Date()}})
client.track({userId: user, event: 'Order Completed', properties: {total: 1.5, 'Größe': 'x', products: [{sku: 'a'}]}})
client.page({userId: user, name: 'Home', category: 'Docs', properties: {path: '/x'}})
client.screen({userId: user, name: 'Main', properties: {w: 1}})
client.group({userId: user, groupId: 'g1', traits: {employees: 7}})
client.alias({userId: user, previousId: 'old1'})
client.track({userId: user, event: 'Nan Event', properties: {x: NaN, nul: 'a\\0b', lone: '\\ud800'}})
"""
_SEGMENT_NODE = """
const { Analytics } = require('@segment/analytics-node')
const [url, key, user] = process.argv.slice(1)
const client = new Analytics({ writeKey: key, host: url, flushAt: 20, flushInterval: 50, maxRetries: 20 })
client.on('error', error => { console.error(error); process.exit(1) })
%s
client.closeAndFlush({ timeout: 50000 }).then(() => process.exit(0))
"""
_RUDDER_NODE = """
const Rudder = require('@rudderstack/rudder-sdk-node')
const [url, key, user] = process.argv.slice(1)
const client = new (Rudder.default || Rudder)(key, { dataPlaneUrl: url, flushAt: 7, flushInterval: 100, gzip: true,
  retryCount: 10, logLevel: 'error' })
%s
const waiting = setInterval(() => client.flush(error => {
  if (error) { return }  // the SDK keeps what was refused, and tries again
  clearInterval(waiting)
  setTimeout(() => process.exit(0), 200)
}), 300)
"""
_PAGE = """<!doctype html><title>Shop</title><script src="index.js"></script><script>
const batching = %s
const analytics = AnalyticsNext.AnalyticsBrowser.load(
  { writeKey: '%s', cdnURL: '%s' },
  { integrations: { 'Segment.io': { deliveryStrategy: { strategy: batching ? 'batching' : 'standard',
      config: { size: 6, timeout: 300 } } } } })
async function send(user) {
  await analytics.identify(user, { email: 'a@b.c' })
  await analytics.track('Order Completed', { total: 1.5, 'Größe': 'x', products: [{ sku: 'a' }] })
  await analytics.page('Docs', 'Home', { path: '/x' })
  await analytics.screen('App', 'Main')
  await analytics.group('g1', { employees: 7 })
  await analytics.alias(user, 'old1')
}
</script>"""
Send = Callable[[FaultyProxy, str, str, Path], None]


@dataclass(frozen=True)
class Sdk:
    """An SDK: the tables it fills, and what sends to a proxy with a write key, as a user, with a folder to work in."""

    name: str
    tables: tuple[str, ...]
    send: Send


def _send_by_python(module: str, proxy: FaultyProxy, key: str, user: str, _: Path) -> None:
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        pytest.skip(f"{module} is not installed: install the dev dependencies")
    make_client: Any = importlib.import_module(module).Client
    use_gzip = proxy.trouble.is_gzip
    client = make_client(key, host=proxy.url, gzip=use_gzip, max_retries=10, upload_interval=0.05, sync_mode=False)
    client.identify(user, {"email": "a@b.c", "signup": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)})
    client.track(user, "Order Completed", {"total": 1.5, "Größe": "x", "products": [{"sku": "a"}]})
    client.page(user, "Docs", "Home", {"path": "/x"})
    client.screen(user, "App", "Main", {"w": 1})
    client.group(user, "g1", {"employees": 7})
    client.alias("old1", user)
    client.track(user, "Nan Event", {"x": float("nan"), "inf": float("inf"), "big": 2**70, "nul": "a\0b"})
    client.flush()
    client.join()


def _send_by_node(name: str, package: str, script: str, proxy: FaultyProxy, key: str, user: str, _: Path) -> None:
    folder = install_packages(name, package)
    run_script(folder, script % _NODE_EVENTS, proxy.url, key, user, timeout_seconds=PATIENCE_MS / 1_000)


def _send_by_browser(is_batching: bool, proxy: FaultyProxy, key: str, user: str, folder: Path) -> None:
    """Open a page of another origin, send every kind of event, and wait until the collector took all of them."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    packages = install_packages(f"analytics-next-{VERSION}", f"@segment/analytics-next@{VERSION}")
    pages = folder / "site"
    shutil.copytree(packages / "node_modules" / "@segment" / "analytics-next" / "dist" / "umd", pages)
    (pages / "page.html").write_text(_PAGE % (str(is_batching).lower(), key, proxy.url), encoding="utf-8")
    with site(pages) as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        page = browser.new_page()
        page.goto(f"{origin}/page.html")
        page.evaluate("user => { send(user) }", user)  # not its promise, which may never be kept
        waited, is_repeating = 0, proxy.trouble.cuts > 0
        while waited < PATIENCE_MS and (
            len(proxy.accepted) < len(SENT_IN_BROWSERS) or (is_repeating and proxy.accepted.most_common(1)[0][1] < 2)
        ):
            page.wait_for_timeout(100)
            waited += 100
        page.wait_for_timeout(300)
        browser.close()


_NODE = (
    ("segment-analytics-node-3.1.0", "@segment/analytics-node@3.1.0", _SEGMENT_NODE),
    ("rudder-sdk-node-3.0.13", "@rudderstack/rudder-sdk-node@3.0.13", _RUDDER_NODE),
)
SDKS = (
    Sdk("segment_python", SENT, functools.partial(_send_by_python, "segment.analytics.client")),
    Sdk("rudder_python", SENT, functools.partial(_send_by_python, "rudderstack.analytics.client")),
    Sdk("segment_node", SENT, functools.partial(_send_by_node, *_NODE[0])),
    Sdk("rudder_node", SENT, functools.partial(_send_by_node, *_NODE[1])),
    Sdk("segment_browser", SENT_IN_BROWSERS, functools.partial(_send_by_browser, False)),
    Sdk("segment_browser_batching", SENT_IN_BROWSERS, functools.partial(_send_by_browser, True)),
)
