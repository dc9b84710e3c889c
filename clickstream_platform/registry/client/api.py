"""The few requests to the registry's API that the platform's other parts make.

Belongs here: paths and bodies of requests, and reading what comes back. Does not: going on without an answer
(`cached`), connections (`transport`).
"""

from __future__ import annotations

import gzip
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson

from clickstream_platform.errors import RegistryError
from clickstream_platform.registry.client.answers import error_of, no_registry
from clickstream_platform.registry.client.transport import Answer, Transport
from clickstream_platform.registry.documents import parse_snapshot
from clickstream_platform.registry.entities import Customer, Event
from clickstream_platform.registry.refusals import InvalidRequestError
from clickstream_platform.registry.rules import seen_display_name
from clickstream_platform.registry.sightings import Samples, Seen

MAX_ANNOUNCED = 1_000
"""Events of one request; an hour with more is announced by several."""
MAX_TAG = 200
"""Characters of an ETag; the registry's has 34."""
_ASKING, _ANNOUNCING, _ADDING = "asking for the snapshot", "announcing events to the registry", "adding a customer"
_NOTHING: Final[dict[str, Any]] = {
    "customers": [],
    "events": [],
    "destinations": [],
    "write_keys": [],
    "contracts": [],
    "etag": "",
    "taken_at": "2000-01-01T00:00:00+00:00",
}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A snapshot as the API sent it: gzip, and its ETag with quotes."""

    body: bytes
    tag: str


class HttpRegistry:
    """The registry behind its API; every method may raise RegistryUnavailableError and ConfigurationError."""

    def __init__(self, transport: Transport) -> None:
        """Ask through a transport."""
        self._transport = transport

    @property
    def url(self) -> str:
        """The API's address."""
        return self._transport.url

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def fetch_snapshot(self, tag: str | None = None) -> Fetched | None:
        """Return the snapshot, unread; None when it is still the one with this ETag."""
        answer = self._transport.send("GET", "/v1/snapshot", headers={"If-None-Match": tag} if tag else None)
        if answer.status == 304 and tag:
            return None
        self._check(answer, _ASKING, self.url)
        tag = answer.headers.get("etag")
        if not tag or len(tag) > MAX_TAG:
            raise no_registry(_ASKING, self.url, "the answer has no ETag")
        return Fetched(answer.body if answer.is_gzip else gzip.compress(answer.body, mtime=0), tag)

    def announce(
        self,
        customer: str,
        hour: str,
        seen: Seen,
        samples: Samples,
        *,
        skipped: Collection[str] = frozenset(),
        create_customer: bool = False,
    ) -> dict[str, Event]:
        """Say what arrived in one customer-hour and return the events as they now are.

        Samples that the registry refuses are left out: they are a help, and the hour is worth more. Raises
        NotFoundError for an unknown customer, InvalidRequestError for what is no slug.
        """
        events: dict[str, Event] = {}
        slugs, extra = list(seen), {"create_customer": True} if create_customer else {}
        for start in range(0, max(len(slugs), 1), MAX_ANNOUNCED):
            part = slugs[start : start + MAX_ANNOUNCED]
            body = {**announcement_document(hour, {slug: seen[slug] for slug in part}, samples, skipped), **extra}
            events |= self._announce(customer, hour, part, body)
        return events

    def add_customer(self, slug: str) -> Customer:
        """Add a customer with the default policy and destination.

        Raises ConflictError when there is one or a tombstone of one, ConfigurationError when the token may not.
        """
        document = self._post("/v1/customers", {"name": slug, "slug": slug}, _ADDING, repr(slug))
        try:
            return parse_snapshot(_NOTHING | {"customers": [document]}).customers[0]
        except RegistryError as error:
            raise no_registry(_ADDING, self.url, f"the answer holds no customer ({error})") from error

    def _announce(self, customer: str, hour: str, slugs: Sequence[str], body: dict[str, Any]) -> dict[str, Event]:
        path = f"/v1/customers/{quote(customer, safe='')}/sightings"
        try:
            document = self._post(path, body, _ANNOUNCING, f"{customer} {hour}")
        except InvalidRequestError:
            if not any(event.pop("sample", None) for event in body["events"].values()):
                raise
            document = self._post(path, body, _ANNOUNCING, f"{customer} {hour}")
        try:
            events = parse_snapshot(_NOTHING | {"events": [document["events"][slug] for slug in slugs]}).events
        except (KeyError, TypeError, RegistryError) as error:
            cause = f"the answer holds no events ({type(error).__name__}: {error})"
            raise no_registry(_ANNOUNCING, self.url, cause) from error
        return dict(zip(slugs, events, strict=True))

    def _post(self, path: str, body: object, asking: str, where: str) -> Any:  # noqa: ANN401 - JSON
        headers = {"Content-Type": "application/json"}
        answer = self._transport.send("POST", path, headers=headers, body=orjson.dumps(body))
        self._check(answer, asking, where)
        try:
            return orjson.loads(answer.text)
        except orjson.JSONDecodeError as error:
            raise no_registry(asking, self.url, "the answer is no JSON") from error

    def _check(self, answer: Answer, asking: str, where: str) -> None:
        """Raise what an answer without success stands for."""
        if 200 <= answer.status < 300:
            return
        if answer.status == 401:
            self._transport.forget_token()
        raise error_of(answer, asking, where, self.url)


def announcement_document(
    hour: str, seen: Seen, samples: Samples, skipped: Collection[str] = frozenset()
) -> dict[str, Any]:
    """Return the body of an announcement, `{hour, events: {slug: {name, records, sample?, skipped?}}}`."""
    events: dict[str, dict[str, Any]] = {
        slug: {"name": seen_display_name(name, slug), "records": records} for slug, (name, records) in seen.items()
    }
    for slug in samples.keys() & events.keys():
        events[slug]["sample"] = dict(samples[slug])
    for slug in events.keys() & set(skipped):
        events[slug]["skipped"] = True
    return {"hour": hour, "events": events}
