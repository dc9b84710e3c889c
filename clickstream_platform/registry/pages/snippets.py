"""The few lines that an app needs to send its records to the collector, with the customer's write key in them.

Belongs here: the texts, for the SDKs of the Segment specification. Does not: showing them (`templates`).

Each of them sends to the collector and asks no other host: the browser library is given its settings, which it would
fetch from its maker otherwise.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

PLACEHOLDER = "YOUR_WRITE_KEY"


@dataclass(frozen=True, slots=True)
class Snippet:
    """Something to copy."""

    name: str
    install: str
    """What to install first; empty for nothing."""
    text: str


def snippets_for(collector_url: str, write_key: str = PLACEHOLDER) -> list[Snippet]:
    """Return the snippets for a collector such as `https://collect.example.com` and a key (or a place for one)."""
    url = collector_url.rstrip("/")
    return [
        Snippet("Browser", "npm install @segment/analytics-next", _browser(url, write_key)),
        Snippet("Node", "npm install @segment/analytics-node", _node(url, write_key)),
        Snippet("Python", "pip install segment-analytics-python", _python(url, write_key)),
        Snippet("curl", "", _curl(url, write_key)),
    ]


def _browser(url: str, write_key: str) -> str:
    parts = urlsplit(url)
    host = f"{parts.netloc}{parts.path}/v1"
    return f"""\
import {{ AnalyticsBrowser }} from "@segment/analytics-next";

const writeKey = {json.dumps(write_key)};
const collector = {{ apiHost: {json.dumps(host)}, protocol: {json.dumps(parts.scheme)} }};

export const analytics = AnalyticsBrowser.load({{
  writeKey,
  // Settings given here are not fetched from anywhere else, and figures about the library are sent to nobody.
  cdnSettings: {{
    integrations: {{ "Segment.io": {{ apiKey: writeKey, ...collector }} }},
    metrics: {{ sampleRate: 0 }},
  }},
}});

analytics.page();
analytics.track("Order Completed", {{ revenue: 12.5, currency: "EUR" }});
"""


def _node(url: str, write_key: str) -> str:
    return f"""\
import {{ Analytics }} from "@segment/analytics-node";

const analytics = new Analytics({{
  writeKey: {json.dumps(write_key)},
  host: {json.dumps(url)},
}});

analytics.track({{
  userId: "user-1",
  event: "Order Completed",
  properties: {{ revenue: 12.5, currency: "EUR" }},
}});
await analytics.closeAndFlush();
"""


def _python(url: str, write_key: str) -> str:
    return f"""\
import segment.analytics as analytics

analytics.write_key = {json.dumps(write_key)}
analytics.host = {json.dumps(url)}

analytics.track("user-1", "Order Completed", {{"revenue": 12.5, "currency": "EUR"}})
analytics.flush()
"""


def _curl(url: str, write_key: str) -> str:
    record = {"userId": "user-1", "event": "Order Completed", "properties": {"revenue": 12.5, "currency": "EUR"}}
    return f"""\
curl --user {shlex.quote(f"{write_key}:")} \\
  --header 'Content-Type: application/json' \\
  --data {shlex.quote(json.dumps(record))} \\
  {shlex.quote(f"{url}/v1/track")}
"""
