"""A registry with its pages on a real server, and people who visit them.

Belongs here: the pages and what is behind them, logging in, sending forms as a browser does. Does not: expectations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx
from fastapi import FastAPI

from clickstream_platform.errors import WarehouseUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.access import Scope
from clickstream_platform.registry.entities import Contract, Customer
from clickstream_platform.registry.pages import mount_pages
from clickstream_platform.registry.pages.visits import COOKIE, csrf_token
from clickstream_platform.registry.ports import DryRun, DryRunExample, EventStatistics
from clickstream_platform.registry.refusals import NotFoundError
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.served_apps import serving

COLLECTOR = "https://collect.example.com"
CUSTOMER_SCOPES: tuple[Scope, ...] = ("customer_read", "customer_write")


@dataclass(frozen=True)
class SiteSettings:
    """The settings that the pages read."""

    registry_collector_url: str = COLLECTOR
    registry_secure_cookies: bool = False


@dataclass
class Ledgers:
    """Statistics that tests set; a customer without any has a warehouse that is away when `is_away`."""

    figures: dict[str, dict[str, EventStatistics]] = field(default_factory=dict)
    is_away: bool = False

    def of_customer(self, customer: Customer) -> Mapping[str, EventStatistics]:
        """See `LoadStatistics`."""
        if self.is_away:
            raise WarehouseUnavailableError("reading", cause="it is away", remedy="Wait.")
        return self.figures.get(customer.slug, {})


@dataclass
class Probe:
    """Answers as if there were records; remembers what it was asked."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)
    has_records: bool = True

    def dry_run(self, contract: Contract, hours: int) -> DryRun:
        """See `ContractProbe`."""
        self.asked.append((contract.customer, contract.event, contract.mode, dict(contract.schema), hours))
        example = DryRunExample("raw/hour=2026-11-22T08/a<b>.ndjson.gz", 7, ('/price: "*" is not of type "number"',))
        return DryRun(hours, 1_200, 34, 5, {"/price type": 34}, (example,), is_complete=False)

    def infer(self, customer: str, event: str, hours: int) -> Mapping[str, Any]:
        """See `ContractProbe`."""
        self.asked.append((customer, event, hours))
        if not self.has_records:
            raise NotFoundError("inferring", cause="there are no records in these hours", remedy="Take more hours.")
        return {"type": "object", "properties": {"price": {"type": "number"}}}


class Visitor(httpx.Client):
    """Somebody with a browser: follows redirects, keeps cookies, sends forms with their token."""

    def send_form(self, path: str, **fields: str | int) -> httpx.Response:
        """Send a form of this session."""
        session = self.cookies.get(COOKIE) or ""
        return self.post(path, data={"csrf": csrf_token(session), **{k: str(v) for k, v in fields.items()}})


@dataclass
class Site:
    """The running pages."""

    url: str
    registry: RegistryService
    clock: FixedClock
    ledgers: Ledgers
    probe: Probe

    def visitor(self, scope: Scope | None = "admin", customer: str | None = None, name: str = "tester") -> Visitor:
        """Return somebody who is logged in with a token of this scope; None is nobody."""
        # Reading certificates, which nobody needs here, would take longer than most of these tests.
        visitor = Visitor(base_url=f"{self.url}/admin", follow_redirects=True, verify=False)
        if scope is not None:
            _, text = self.registry.add_token(name, scope, customer=customer)
            visitor.cookies.set(COOKIE, self.registry.open_session(text))
        return visitor


@contextmanager
def running_site(
    registry: RegistryService, clock: FixedClock, settings: SiteSettings | None = None, *, is_bare: bool = False
) -> Iterator[Site]:
    """Serve the pages of a registry from a thread; a bare one has neither ledgers nor a probe."""
    ledgers, probe, app = Ledgers(), Probe(), FastAPI()
    mount_pages(
        app, registry, settings or SiteSettings(), None if is_bare else ledgers, None if is_bare else probe, clock
    )
    with serving(app) as url:
        yield Site(url, registry, clock, ledgers, probe)


def text_of(response: httpx.Response) -> str:
    """Return what a reader sees of a page: its text, with white space folded."""
    body = re.sub(r"<(script|style|title)\b.*?</\1>", " ", response.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def buttons_of(response: httpx.Response) -> set[str]:
    """Return the words on the buttons of a page, and on the links that look like one."""
    found = re.findall(r"<button\b([^>]*)>(.*?)</button>|<a class=\"button\b[^>]*>(.*?)</a>", response.text, re.DOTALL)
    texts = [second or third for first, second, third in found if "hidden" not in first]
    seen = [re.sub(r"<span class=\"unseen\">.*?</span>|<[^>]*>", "", text) for text in texts]
    return {" ".join(unescape(text).split()) for text in seen}


def targets_of(response: httpx.Response) -> set[str]:
    """Return where the forms of a page are sent to."""
    return set(re.findall(r"<form[^>]*action=\"([^\"]*)\"", response.text))
