"""The secrets that this process holds, which no line shows, in whatever form they are sent or quoted.

Belongs here: remembering and finding them. Does not: secrets that show by their form (`redaction`).
"""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from urllib.parse import quote, quote_plus, unquote

MASK = "<masked>"
MAX_SECRET = 65_536
"""Characters; the limit of AWS Secrets Manager."""
_MIN_SECRET = 6  # characters: a shorter "secret" would be found in every second word
_MIN_FORM = 8
_MAX_KNOWN = 500
_MAX_PASSING = 50
_NO_SECRETS = frozenset({"user", "username", "host", "port", "database", "dbname", "engine", "region", "cluster"})

_Known = OrderedDict[str, tuple[str, ...]]
_lasting: _Known = OrderedDict()
_passing: _Known = OrderedDict()
_searched: tuple[str, ...] = ()
_lock = threading.Lock()


def remember_secret(secret: str, *, is_passing: bool = False) -> None:
    """Mask this text and its encoded forms from now on; one that is too short to be a secret is not masked.

    A passing one, such as a login for an hour, is forgotten when fifty came after it.
    """
    global _searched  # noqa: PLW0603 - one table for the process, like the loggers it is for
    known, limit = (_passing, _MAX_PASSING) if is_passing else (_lasting, _MAX_KNOWN)
    if len(secret) < _MIN_SECRET:
        return
    with _lock:
        if secret not in known:
            forms = {form for form in _forms(secret) if len(form) >= _MIN_SECRET}
            known[secret] = tuple(sorted(forms, key=len, reverse=True))
        known.move_to_end(secret)
        while len(known) > limit:
            known.popitem(last=False)
        _searched = tuple(chain(*_lasting.values(), *_passing.values()))


def remember_secret_document(secret: str) -> None:
    """Mask a secret as it is kept: as a whole and, when it is a JSON object, each of its texts but user names."""
    remember_secret(secret)
    try:
        document = json.loads(secret)
    except ValueError:
        return
    if isinstance(document, dict):
        for name, value in document.items():
            if isinstance(value, str) and name.lower() not in _NO_SECRETS:
                remember_secret(value)


def mask_known(text: str) -> str:
    """Return a text without the secrets that were remembered."""
    # One pattern of them all takes twenty times as long in a long text.
    for form in _searched:
        if form in text:
            text = text.replace(form, MASK)
    return text


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as it is, as addresses and JSON write it, and what base64 makes of it wherever it begins."""
    plain = {secret, unquote(secret)}
    yield from plain
    for text in plain:
        yield from (quote(text, safe=""), quote(text), quote_plus(text), json.dumps(text)[1:-1], repr(text)[1:-1])
        data = text.encode("utf-8", "replace")
        for before in range(3):
            # The characters that depend on nothing but the secret.
            encoded = b64encode(bytes(before) + data).decode()[(0, 2, 3)[before] : 8 * (before + len(data)) // 6]
            if len(encoded) >= _MIN_FORM:
                yield from (encoded, encoded.translate({ord("+"): "-", ord("/"): "_"}))
