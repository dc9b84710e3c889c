"""An app that keeps what it was not told is safe: sends, and sends again with the same ids, until it is.

What belongs here: making events, sending, remembering. What does not: who is killed meanwhile.
"""

from __future__ import annotations

import gzip
import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import httpx

EVENTS = ("Order Completed", "Cart Viewed", "Sign Up")
TABLES = ("order_completed", "cart_viewed", "sign_up")
PAUSE_SECONDS = 0.05
PATIENCE_SECONDS = 60.0


class App:
    """One app of one customer; `acknowledged` are the ids that it was told are safe, by table."""

    def __init__(self, url: str, customer: str, key: str, name: str, chance: random.Random) -> None:
        """Begin to send at once."""
        self.customer = customer
        self.acknowledged: dict[str, list[str]] = {table: [] for table in TABLES}
        self.refusals = 0
        self._url, self._key, self._name, self._chance = url, key, name, chance
        self._events = self._make_events()
        self._stopped, self._gave_up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Make no more events, and wait until those that were sent are safe."""
        self._stopped.set()
        self._thread.join(PATIENCE_SECONDS)
        self._gave_up.set()
        self._thread.join()

    def _make_events(self) -> Iterator[dict[str, Any]]:
        number = 0
        while True:
            table = self._chance.randrange(len(EVENTS))
            yield {
                "type": "track",
                "event": EVENTS[table],
                "userId": self._name,
                "messageId": f"{self._name}-{number}",
                "properties": {"number": number, "text": "x" * self._chance.randrange(200)},
            }
            number += 1

    def _run(self) -> None:
        pending: list[dict[str, Any]] = []
        with httpx.Client(auth=(self._key, ""), timeout=20, trust_env=False) as client:
            while pending or not self._stopped.is_set():
                # Mostly the same batch again; now and then, as some SDKs do, together with what has come since.
                if not self._stopped.is_set() and (not pending or (self._chance.random() < 0.2 and len(pending) < 100)):
                    pending += [next(self._events) for _ in range(self._chance.randint(1, 40))]
                if self._is_safe(client, pending):
                    for event in pending:
                        self.acknowledged[TABLES[EVENTS.index(event["event"])]].append(event["messageId"])
                    pending = []
                else:
                    self.refusals += 1
                if self._gave_up.wait(PAUSE_SECONDS):
                    return

    def _is_safe(self, client: httpx.Client, events: list[dict[str, Any]]) -> bool:
        body, headers = json.dumps({"batch": events}).encode(), {"Content-Type": "application/json"}
        if self._chance.random() < 0.3:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        try:
            return client.post(self._url, content=body, headers=headers).status_code == 200
        except httpx.TransportError:
            return False
