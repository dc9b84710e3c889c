"""What the service writes into its log about requests that failed by our fault.

Belongs here: saying it without secrets. Does not: answering (`problems`).

Messages of databases hold the values of a statement, a hash among them, so only places in the code and cleaned texts
are written.
"""

from __future__ import annotations

import logging
import re
import traceback

from clickstream_platform.registry.secret_texts import TOKEN_PREFIX

log = logging.getLogger("clickstream_platform.registry.http")

_SECRETS = re.compile(rf"\b(?:[0-9a-fA-F]{{64}}|(?:{TOKEN_PREFIX})?[A-Za-z0-9]{{32}}|eyJ[\w-]+\.[\w-]+\.[\w-]*)\b")


def redacted(text: str) -> str:
    """Return a text without anything that looks like a hash, a write key, an API token or a JWT, on one line."""
    return " ".join(_SECRETS.sub("***", text).split())[:1_000]


def log_failure(what: str, request_id: str, error: BaseException) -> None:
    """Log an error that ended a request: its class, its cleaned message, and where it came from."""
    places = " < ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
        for frame in reversed(traceback.extract_tb(error.__traceback__)[-8:])
    )
    log.error("%s request=%s %s: %s [%s]", what, request_id, type(error).__name__, redacted(str(error)), places)
