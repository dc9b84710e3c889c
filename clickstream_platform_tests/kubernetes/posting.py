"""An app that sends events to the collector all the time, and again what was not acknowledged, as SDKs do.

Belongs here: sending, what was acknowledged, how long nothing was. Does not: what became of the events.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx

from clickstream_platform_tests.kubernetes.release import Release

EVENT = "Sent While Upgrading"
PAUSE_SECONDS = 0.2


@dataclass
class Posted:
    """The ids that the collector acknowledged, and the longest time between two of its answers, in seconds."""

    acknowledged: list[str] = field(default_factory=list)
    longest_pause: float = 0.0


@contextmanager
def posting(release: Release) -> Iterator[Posted]:
    """Send events, one after the other, until the block ends; each until it is acknowledged."""
    posted, is_over = Posted(), threading.Event()

    def keep_posting(url: str) -> None:
        last = time.monotonic()
        for number in count():
            body = {"userId": "u-1", "event": EVENT, "messageId": f"sent-{number}"}
            while not _is_accepted(url, body, release.write_key):
                if is_over.wait(PAUSE_SECONDS):
                    return
            now = time.monotonic()
            posted.longest_pause, last = max(posted.longest_pause, now - last), now
            posted.acknowledged.append(body["messageId"])
            if is_over.wait(PAUSE_SECONDS):
                return

    with release.cluster.forwarded("collector", 80) as url:
        thread = threading.Thread(target=keep_posting, args=(url,))
        thread.start()
        try:
            yield posted
        finally:
            is_over.set()
            thread.join()


def _is_accepted(url: str, body: dict[str, str], write_key: str) -> bool:
    try:
        answer = httpx.post(f"{url}/v1/track", json=body, auth=(write_key, ""), trust_env=False, timeout=10)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200
