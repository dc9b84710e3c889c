"""Messages through Apprise to real servers: webhook, mail, services with incidents. No secret gets out."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways import notifications
from clickstream_platform.gateways.notifications import AppriseSender
from clickstream_platform.gateways.secrets import resolve_secret
from clickstream_platform.model.findings import Severity
from clickstream_platform.observe.alerts.ports import Message, MessageRefusedError, NotificationError
from clickstream_platform.observe.alerts.routes import Channel
from clickstream_platform_tests.gateways.notification_servers import HttpInbox, http_inbox, mail_inbox

SECRET, UUID = "S3CR3TT0K3N", "12345678-1234-1234-1234-5ec4e7000000"
FACTS = [{"key": "stream_late|acme|page", "state": "firing", "customer": "acme"}]
MESSAGE = Message(
    "id-1", "clickstream-77", Severity.CRITICAL, False, "CRITICAL: acme: stream late", "- page: late\n- cart", FACTS
)
OVER = replace(MESSAGE, is_over=True, title="RESOLVED: acme: stream late")
CHANNEL = Channel("chat", "env:CHAT_URL")


def sender(address: str) -> AppriseSender:
    return AppriseSender(lambda _: address)


@pytest.fixture
def inbox() -> Iterator[HttpInbox]:
    with http_inbox() as opened:
        yield opened


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Log everything that anybody logs, at DEBUG, as a careless operator may have it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level, before = root.level, logging.getLogger("urllib3.connectionpool").level
    root.addHandler(handler)
    root.setLevel(1)
    logging.getLogger("urllib3.connectionpool").setLevel(1)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)
    logging.getLogger("urllib3.connectionpool").setLevel(before)


@pytest.fixture
def redirected(inbox: HttpInbox, monkeypatch: pytest.MonkeyPatch) -> HttpInbox:
    """Send whatever goes to a service in the world to the local server instead, with its own path and body."""
    send = requests.Session.request

    def request(self: requests.Session, method: str, url: str, **how: Any) -> requests.Response:
        path = urlsplit(url).path
        return send(self, method, f"http://127.0.0.1:{inbox.port}{path}", **how)

    monkeypatch.setattr(requests.Session, "request", request)
    return inbox


def test_a_webhook_gets_text_for_people_and_facts_for_programs(inbox: HttpInbox) -> None:
    sending = sender(f"json://user:{SECRET}@127.0.0.1:{inbox.port}/hook?:team=data")
    sending.send(CHANNEL, MESSAGE)
    sending.send(CHANNEL, OVER)
    (path, first), (_, second) = inbox.requests
    assert path == "/hook"
    assert (first["title"], first["message"], first["type"]) == (MESSAGE.title, "- page: late\n- cart", "failure")
    assert (first["id"], first["incident"], first["severity"], first["status"]) == (
        "id-1",
        "clickstream-77",
        "critical",
        "firing",
    )
    assert (first["alerts"], first["team"]) == (FACTS, "data")
    assert (second["type"], second["status"]) == ("success", "resolved")
    assert not sending.tracks_incidents(CHANNEL)


def test_a_mail_has_subject_and_text() -> None:
    with mail_inbox() as inbox:
        url = f"mailto://127.0.0.1:{inbox.port}?from=alerts@example.com&to=ops@example.com,b@example.com&mode=insecure"
        sender(url).send(CHANNEL, MESSAGE)
    assert sorted(to for recipients, _ in inbox.mails for to in recipients) == ["b@example.com", "ops@example.com"]
    mail = inbox.mails[0][1]
    assert mail["Subject"] == MESSAGE.title
    assert "- page: late" in mail.as_string()


INCIDENT_SERVICES = {
    "pagerduty": (f"pagerduty://{SECRET}@{SECRET}", "dedup_key", "event_action", "resolve"),
    "ilert": (f"ilert://{SECRET}", "alertKey", "eventType", "RESOLVE"),
    "firehydrant": (f"firehydrant://{SECRET}", "idempotency_key", "status", "CLOSED"),
    "incidentio": (f"incidentio://SOURCE/{SECRET}", "deduplication_key", "status", "resolved"),
    "squadcast": (f"squadcast://{SECRET}", "event_id", "status", "resolve"),
    "goalert": (f"goalert://127.0.0.1/{UUID}", "dedup", "action", "close"),
    "goalerts": (f"goalerts://127.0.0.1/{UUID}", "dedup", "action", "close"),
    "pagertree": (f"pagertree://int_{SECRET}", "id", "event_type", "resolve"),
    "signl4": (f"signl4://{SECRET}", "X-S4-ExternalID", "X-S4-Status", "resolved"),
    "splunk": (f"splunk://route@{SECRET}", "entity_id", "message_type", "RECOVERY"),
    "victorops": (f"victorops://route@{SECRET}", "entity_id", "message_type", "RECOVERY"),
}


@pytest.mark.parametrize("service", INCIDENT_SERVICES)
def test_a_service_with_incidents_resolves_the_one_it_opened(service: str, redirected: HttpInbox) -> None:
    address, id_field, state_field, resolved = INCIDENT_SERVICES[service]
    sending = sender(address)
    assert sending.tracks_incidents(CHANNEL)
    sending.send(CHANNEL, MESSAGE)
    sending.send(CHANNEL, OVER)
    (_, opened), (_, closed) = redirected.requests
    assert opened[id_field] == closed[id_field] == "clickstream-77"
    assert closed[state_field] == resolved != opened.get(state_field)


def test_every_service_with_incidents_is_tested() -> None:
    assert set(INCIDENT_SERVICES) == set(notifications._INCIDENT_FIELDS)


def test_no_secret_gets_into_a_log_or_an_error(redirected: HttpInbox, everything: io.StringIO) -> None:
    """Through every service, taken and refused, with all loggers at their most talkative."""
    addresses = [address for address, *_ in INCIDENT_SERVICES.values()]
    addresses += [
        f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{SECRET}TIiajkdnlazkc",
        f"json://user:{SECRET}@127.0.0.1/{SECRET}?-token={SECRET}",
        f"mailto://user:{SECRET}@127.0.0.1:9?from=a@example.com&to=b@example.com&mode=insecure&cto=1",
        f"nonsense://{SECRET}",
        f"pagerduty://{SECRET}",
        SECRET,
    ]
    logging.getLogger("urllib3.connectionpool").debug("a line of somebody else")
    for status in (200, 403, 500):
        redirected.status = status
        for address in addresses:
            try:
                sender(address).send(CHANNEL, MESSAGE)
            except NotificationError as error:
                logging.getLogger("test").exception("refused: %s %r", error, error.__cause__)  # noqa: TRY401
    assert len(redirected.requests) > 30
    said = everything.getvalue()
    assert "a line of somebody else" in said
    assert "the service answered 403" in said
    assert not [secret for secret in (SECRET, UUID) if secret.lower() in said.lower()]


@pytest.mark.parametrize(
    ("status", "cause"), [(429, "the service answered 429"), (500, "the service answered 500")], ids=str
)
def test_what_a_service_refuses_is_an_error(inbox: HttpInbox, status: int, cause: str) -> None:
    inbox.status = status
    with pytest.raises(NotificationError) as error:
        sender(f"json://127.0.0.1:{inbox.port}").send(CHANNEL, MESSAGE)
    assert (error.value.failed, error.value.cause) == ("sending to channel chat", cause)


@pytest.mark.parametrize(
    ("status", "is_about_it"), [(400, True), (413, True), (403, False), (429, False), (502, False)]
)
def test_a_refusal_of_one_message_is_told_from_one_of_the_channel(
    inbox: HttpInbox, status: int, is_about_it: bool
) -> None:
    inbox.status = status
    with pytest.raises(NotificationError) as error:
        sender(f"json://127.0.0.1:{inbox.port}").send(CHANNEL, MESSAGE)
    assert isinstance(error.value, MessageRefusedError) is is_about_it


@given(st.text(max_size=60) | st.from_regex(r"[a-z]{1,9}://[^/]{0,20}(/[^/]{0,9}){0,3}(\?[^ ]{0,20})?", fullmatch=True))
@settings(max_examples=300, deadline=None)
def test_any_address_is_understood_or_an_error_to_try_again(address: str) -> None:
    with contextlib.suppress(NotificationError):
        sender(address).tracks_incidents(CHANNEL)


def test_what_nobody_listens_to_is_an_error() -> None:
    with pytest.raises(NotificationError, match="could not be reached"):
        sender("json://127.0.0.1:9/?cto=1").send(CHANNEL, MESSAGE)


def test_an_address_that_cannot_be_read_or_used_is_an_error_to_try_again() -> None:
    def missing(_: str) -> str:
        raise ConfigurationError("reading a secret", cause="the variable is not set", remedy="Set it.")

    with pytest.raises(NotificationError, match="its address can't be read: the variable is not set"):
        AppriseSender(missing).send(CHANNEL, MESSAGE)
    with pytest.raises(NotificationError, match="none that Apprise knows"):
        sender("nonsense://x").tracks_incidents(CHANNEL)
    with pytest.raises(NotificationError, match="can't use its address for pagerduty"):
        sender("pagerduty://x").send(CHANNEL, MESSAGE)


def test_a_secret_that_changed_counts_after_a_minute_or_a_refusal(
    inbox: HttpInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds, asked = [0.0], []

    def resolve(reference: str) -> str:
        asked.append(reference)
        return resolve_secret(reference)

    sending = AppriseSender(resolve, lambda: seconds[0])
    for second, path in ((0, "one"), (59, "two"), (61, "three"), (62, "four")):
        seconds[0] = second
        monkeypatch.setenv("CHAT_URL", f"json://127.0.0.1:{inbox.port}/{path}")
        inbox.status = 403 if path == "four" else 200
        with contextlib.suppress(NotificationError):
            sending.send(CHANNEL, MESSAGE)
    sending.tracks_incidents(CHANNEL)
    inbox.status = 200
    sending.send(CHANNEL, MESSAGE)
    assert [path for path, _ in inbox.requests] == ["/one", "/one", "/three", "/three", "/four"]
    assert len(asked) == 3


def test_the_log_is_a_channel(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = Channel("log", "")
    assert not AppriseSender().tracks_incidents(log)
    AppriseSender().send(log, MESSAGE)
    AppriseSender().send(log, OVER)
    assert [(each.levelname, each.message) for each in caplog.records] == [
        ("ERROR", "CRITICAL: acme: stream late. - page: late - cart"),
        ("INFO", "RESOLVED: acme: stream late. - page: late - cart"),
    ]


def test_nothing_in_a_text_is_markup_to_a_chat(redirected: HttpInbox) -> None:
    address = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    redirected.answer = b"ok"
    sender(address).send(CHANNEL, replace(MESSAGE, body="‹!channel› a_b_c 1 < 2"))
    [(_, body)] = redirected.requests
    assert "<!channel>" not in str(body)
    assert "icon_url" not in str(body)
    assert "github" not in str(body).lower()
