"""The Node SDKs of Segment and RudderStack, unmodified: each event exactly once, also after 429 and 503.

Part of `make test-e2e`, for it needs node; what they sent when it was recorded is in `test_sdks`.
"""

from __future__ import annotations

import dataclasses
import json

import pytest

from clickstream_platform_tests.collector.running import CUSTOMER, FAST, KEY, MemorySink, running_collector
from clickstream_platform_tests.collector.test_sdks import SENT, SlowKeys, busy_at_first
from clickstream_platform_tests.npm import install_packages, run_script

pytestmark = pytest.mark.e2e

_SEND = """
client.identify({userId: 'u1', traits: {email: 'a@b.c', signup: new Date()}})
client.track({userId: 'u1', event: 'Order Completed', properties: {total: 1.5, 'Größe': 'x', products: [{sku: 'a'}]}})
client.page({userId: 'u1', name: 'Home', category: 'Docs', properties: {path: '/x'}})
client.screen({userId: 'u1', name: 'Main', properties: {w: 1}})
client.group({userId: 'u1', groupId: 'g1', traits: {employees: 7}})
client.alias({userId: 'u1', previousId: 'old1'})
client.track({anonymousId: 'a1', event: 'Nan Event', properties: {x: NaN, nul: 'a\\0b', lone: '\\ud800'}})
"""
_SEGMENT = """
const { Analytics } = require('@segment/analytics-node')
const [url, key] = process.argv.slice(1)
const client = new Analytics({ writeKey: key, host: url, flushAt: 20, flushInterval: 50, maxRetries: 5 })
client.on('error', error => { console.error(error); process.exit(1) })
%s
client.closeAndFlush({ timeout: 30000 }).then(() => process.exit(0))
"""
_RUDDERSTACK = """
const Rudder = require('@rudderstack/rudder-sdk-node')
const [url, key] = process.argv.slice(1)
const client = new (Rudder.default || Rudder)(key, { dataPlaneUrl: url, flushAt: 7, flushInterval: 100, gzip: true,
  retryCount: 10, logLevel: 'error' })
%s
const waiting = setInterval(() => client.flush(error => {
  if (error) { return }  // the SDK keeps what was refused, and tries again
  clearInterval(waiting)
  setTimeout(() => process.exit(0), 200)
}), 300)
"""


@pytest.mark.parametrize("trouble", ["none", "storage", "rate", "keys"])
@pytest.mark.parametrize(
    ("name", "package", "script"),
    [
        ("segment-analytics-node-3.1.0", "@segment/analytics-node@3.1.0", _SEGMENT),
        ("rudder-sdk-node-3.0.13", "@rudderstack/rudder-sdk-node@3.0.13", _RUDDERSTACK),
    ],
)
def test_a_node_sdk_delivers_every_event_once(name: str, package: str, script: str, trouble: str) -> None:
    folder = install_packages(name, package)
    sink, keys = MemorySink(), SlowKeys(ready=trouble != "keys")
    with running_collector(sink, keys=keys, delivery=dataclasses.replace(FAST, retry_after_seconds=1)) as collector:
        if trouble == "storage":
            sink.behaviour = busy_at_first()
        if trouble == "rate":
            keys.limits[CUSTOMER] = 7.0
            collector.post("/v1/batch", {"batch": [{"type": "page", "messageId": f"x{n}"} for n in range(75)]})
        run_script(folder, script % _SEND, collector.url, KEY)
        refusals = collector.metric("clickstream_collector_refused_requests_total", limit=trouble)
    events = [event for event in sink.events if not event.message_id.startswith("x")]
    assert sorted(event.event for event in events) == sorted(SENT)
    assert len({event.message_id for event in events}) == len(SENT)
    assert (refusals > 0) is (trouble != "none")
    (odd,) = (json.loads(event.line) for event in events if event.event == "nan_event")
    assert (odd["properties"]["x"], odd["properties"]["nul"]) == (None, "a\0b")
