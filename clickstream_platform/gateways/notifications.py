"""Messages to Slack, PagerDuty, e-mail, webhooks and a hundred more services, through Apprise.

Belongs here: the only importer of Apprise; from a channel's secret address to a message that was taken. Does not: who
is told what (`observe.alerts`).

Apprise writes addresses and payloads, which hold tokens, to its log, and so does urllib3 the paths it asks for: neither
gets into ours while a message is sent, and of what Apprise says only a status code or a known word is passed on.
"""

from __future__ import annotations

import logging
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import apprise
from apprise import plugins

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.gateways.secrets import resolve_secret
from clickstream_platform.model.findings import Severity
from clickstream_platform.observe.alerts.ports import Message, MessageRefusedError, NotificationError
from clickstream_platform.observe.alerts.routes import Channel

_logger = logging.getLogger(__name__)
_said: ContextVar[list[str] | None] = ContextVar("_said", default=None)

_INCIDENT_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "pagerduty": "dedup",
        "ilert": "dedup",
        "firehydrant": "dedup",
        "incidentio": "dedup",
        "squadcast": "dedup",
        "goalert": "dedup",
        "goalerts": "dedup",
        "pagertree": "thirdparty",
        "signl4": "external_id",
        "splunk": "entity_id",
        "victorops": "entity_id",
    }
)
"""Services that keep incidents open, by the schema of their address: the field of the incident's id in Apprise."""

_WITH_FACTS = frozenset({"json", "jsons"})
_KINDS = MappingProxyType(
    {
        Severity.CRITICAL: apprise.NotifyType.FAILURE,
        Severity.WARNING: apprise.NotifyType.WARNING,
        Severity.INFO: apprise.NotifyType.INFO,
    }
)
_LEVELS = MappingProxyType(
    {Severity.CRITICAL: logging.ERROR, Severity.WARNING: logging.WARNING, Severity.INFO: logging.INFO}
)
_KEEP_SECONDS = 60.0
"""A secret store is asked no more often: the engine looks at its channels several times a minute."""
_STATUS = re.compile(r"error[= ](\d{3})\b")
_OF_CHANNEL = frozenset({"401", "403", "407", "408", "429"})
"""Refusals that are about who asks, or how often, and not about the message."""
_REMEDY = "It is sent again; if it stays, check the channel's address and `clickstream alerts test`."


class AppriseSender:
    """Sends to the addresses that channels refer to; a changed secret counts after a minute, or the first refusal."""

    def __init__(
        self, resolve: Callable[[str], str] = resolve_secret, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Use a resolver of secret references, `gateways.secrets.resolve_secret` by default."""
        self._resolve, self._monotonic = resolve, monotonic
        self._resolved: dict[str, tuple[float, str]] = {}
        self._asset = apprise.AppriseAsset(
            app_id="clickstream",
            app_desc="Alerts of the clickstream platform",
            image_url_mask="",  # no pictures from a server that is none of ours
            image_path_mask="",
            async_mode=False,
            secure_logging=True,
            storage_mode=apprise.PersistentStoreMode.MEMORY,
        )
        _hush()
        _load_services()

    def tracks_incidents(self, channel: Channel) -> bool:
        """See `Sender.tracks_incidents`."""
        return bool(channel.reference) and self._address(channel)["schema"] in _INCIDENT_FIELDS

    def send(self, channel: Channel, message: Message) -> None:
        """See `Sender.send`."""
        if not channel.reference:
            level = logging.INFO if message.is_over else _LEVELS[message.severity]
            _logger.log(level, "%s. %s", message.title, " ".join(message.body.split()))
            return
        said: list[str] = []
        with _listening(said):
            service = self._open(channel, self._address(channel), message)
            sender = apprise.Apprise(service, asset=self._asset)
            kind = apprise.NotifyType.SUCCESS if message.is_over else _KINDS[message.severity]
            is_taken = sender.notify(
                message.body, message.title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
            )
        if not is_taken:
            self._resolved.pop(channel.reference, None)
            raise _not_taken(channel, " ".join(said))

    def _address(self, channel: Channel) -> dict[str, Any]:
        """Return the parts of a channel's address, which is secret."""
        resolved = self._resolved.get(channel.reference)
        if resolved is None or self._monotonic() - resolved[0] > _KEEP_SECONDS:
            try:
                resolved = self._monotonic(), self._resolve(channel.reference).strip()
            except ClickstreamError as error:  # its text holds the reference, never the secret
                raise _refused(channel, f"its address can't be read: {error.cause}") from error
            self._resolved[channel.reference] = resolved
        with _listening([]):
            parts = plugins.url_to_dict(resolved[1], secure_logging=True)  # type: ignore[no-untyped-call]
        if not parts or not parts.get("schema"):
            self._resolved.pop(channel.reference, None)
            raise _refused(channel, "its address is none that Apprise knows")
        return dict(parts)

    def _open(self, channel: Channel, parts: dict[str, Any], message: Message) -> apprise.NotifyBase:
        schema = parts["schema"]
        parts.setdefault("overflow", "truncate")  # the first lines say what matters
        if schema in _INCIDENT_FIELDS:
            parts |= {"action": "map", _INCIDENT_FIELDS[schema]: message.incident}
        if schema in _WITH_FACTS:
            parts["payload"] = {**parts.get("payload", {}), **_payload(message)}
        service = apprise.Apprise.instantiate(parts, asset=self._asset, suppress_exceptions=True)
        if service is None:
            raise _refused(channel, f"Apprise can't use its address for {schema}")
        return service


def _payload(message: Message) -> dict[str, Any]:
    """Return what a program at a webhook needs, beside Apprise's own version, title, message and type."""
    return {
        "id": message.id,
        "incident": message.incident,
        "severity": message.severity.value,
        "status": "resolved" if message.is_over else "firing",
        "alerts": [dict(fact) for fact in message.facts],
    }


def _refused(channel: Channel, cause: str) -> NotificationError:
    return NotificationError(f"sending to channel {channel.name}", cause=cause, remedy=_REMEDY)


def _not_taken(channel: Channel, said: str) -> NotificationError:
    """Return the error with what may be known of Apprise's words: they can hold the address."""
    found = _STATUS.search(said)
    if found is not None and not found[1].startswith("2"):
        kind = MessageRefusedError if found[1].startswith("4") and found[1] not in _OF_CHANNEL else NotificationError
        return kind(f"sending to channel {channel.name}", cause=f"the service answered {found[1]}", remedy=_REMEDY)
    if re.search("onnection|ocket|SMTP|imed out|imeout", said):
        return _refused(channel, "the service could not be reached, or ended the connection")
    return _refused(channel, "the service did not take it")


class _Listener(logging.Handler):
    """Keeps what Apprise says for the call that it belongs to, and passes nothing on."""

    def emit(self, record: logging.LogRecord) -> None:
        if (said := _said.get()) is not None:
            said.append(record.getMessage())


class _Sending:
    """How many messages are on their way, in whichever thread Apprise sends them."""

    def __init__(self) -> None:
        self.lock, self.count = threading.Lock(), 0


_sending = _Sending()


def _is_public(_record: logging.LogRecord) -> bool:
    """Whether a line of urllib3 can't be about a message of ours: its paths hold tokens."""
    return _sending.count == 0


def _hush() -> None:
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    if not any(isinstance(each, _Listener) for each in logger.handlers):
        logger.handlers = [_Listener()]
        for name in ("urllib3.connectionpool", "urllib3.util.retry", "requests_oauthlib.oauth1_session"):
            logging.getLogger(name).addFilter(_is_public)


def _load_services() -> None:
    """Import all services now, some two seconds: at the first message it would look like a service that hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # one imports `imghdr`, where Python still has it
        plugins.N_MGR.load_modules()  # type: ignore[no-untyped-call]


@contextmanager
def _listening(said: list[str]) -> Iterator[None]:
    token = _said.set(said)
    with _sending.lock:
        _sending.count += 1
    try:
        yield
    finally:
        with _sending.lock:
            _sending.count -= 1
        _said.reset(token)
