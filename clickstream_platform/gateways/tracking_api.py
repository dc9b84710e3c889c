"""One event to a collector over HTTP, as the simplest of all SDKs: one request, no queue, no repetition.

Belongs here: the request and what its failure means. Does not: what is sent (`pipeline.canary`).
"""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import Any

import orjson
import urllib3

from clickstream_platform.errors import ConfigurationError, RetryableError

TIMEOUT_SECONDS = 20.0


class CollectorUnavailableError(RetryableError):
    """The collector did not answer, or takes nothing for now."""


class CollectorRefusedError(ConfigurationError):
    """The collector takes nothing with this write key."""


class TrackingApi:
    """Sends `track` calls to a collector."""

    def __init__(self, url: str, write_key: str) -> None:
        """Send to the collector at an address, as the customer of a write key."""
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError("sending an event", cause=f"{url!r} is no address", remedy="Give http(s)://…")
        self._url = f"{url.rstrip('/')}/v1/track"
        self._headers = {
            "Authorization": f"Basic {b64encode(f'{write_key}:'.encode()).decode()}",
            "Content-Type": "application/json",
        }
        self._pool = urllib3.PoolManager(retries=False, timeout=TIMEOUT_SECONDS)

    def track(self, event: str, message_id: str, at: datetime, properties: dict[str, Any] | None = None) -> None:
        """Send one event; raise CollectorUnavailableError or CollectorRefusedError, neither with the write key."""
        body = {
            "event": event,
            "anonymousId": "canary",
            "messageId": message_id,
            "timestamp": at.isoformat(),
            "sentAt": at.isoformat(),
            "properties": properties or {},
        }
        try:
            answer = self._pool.request("POST", self._url, body=orjson.dumps(body), headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            raise CollectorUnavailableError(
                "sending an event", where=self._url, cause=type(error).__name__, remedy="Look at the collector."
            ) from error
        if answer.status in (401, 403):
            raise CollectorRefusedError(
                "sending an event",
                where=self._url,
                cause=f"HTTP {answer.status}",
                remedy="Check the write key's reference, and whether the key was revoked.",
            )
        if answer.status != 200:
            raise CollectorUnavailableError(
                "sending an event", where=self._url, cause=f"HTTP {answer.status}", remedy="Look at the collector."
            )
