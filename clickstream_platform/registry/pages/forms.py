"""Fields of forms as values; what a person typed wrongly is an InvalidRequestError that names the field.

Belongs here: reading one field. Does not: limits and rules, which are the registry's (`registry.rules`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from clickstream_platform.registry.refusals import InvalidRequestError

_MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one form."""

    form: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return a text without white space around it; empty when it was not sent."""
        return self.form.get(name, "").strip()

    def required(self, name: str, label: str) -> str:
        """Return a text that is not empty."""
        found = self.text(name)
        if not found:
            raise _refused(label, "it is empty", "Fill it in.")
        return found

    def flag(self, name: str) -> bool:
        """Return whether a box was ticked."""
        return self.form.get(name) == "yes"

    def number(self, name: str, label: str) -> int:
        """Return a whole number."""
        found = self.optional_number(name, label)
        if found is None:
            raise _refused(label, "it is empty", "Give a whole number.")
        return found

    def optional_number(self, name: str, label: str) -> int | None:
        """Return a whole number, None for an empty field."""
        text = self.text(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
            raise _refused(label, f"{text[:40]!r} is not a whole number", "Give a whole number.")
        return int(text)

    def revision(self) -> int:
        """Return the revision that the page was made of."""
        return self.number("revision", "the revision of the form")

    def day(self, name: str, label: str) -> datetime | None:
        """Return the end of a day in UTC, None for an empty field."""
        text = self.text(name)
        try:
            if not text:
                return None
            found = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
            return datetime.combine(found, time(), UTC) + timedelta(days=1)
        except (ValueError, OverflowError) as error:
            raise _refused(label, f"{text[:40]!r} is not a date", "Write it like 2026-12-31.") from error

    def document(self, name: str, label: str) -> dict[str, Any]:
        """Return a JSON object."""
        try:
            found = json.loads(self.text(name))
        except (ValueError, RecursionError) as error:
            cause = "it is nested too deeply" if isinstance(error, RecursionError) else f"it is not JSON: {error}"
            raise _refused(label, cause, "Correct it.") from error
        if not isinstance(found, dict):
            raise _refused(label, "it is not a JSON object", "Write it between { and }.")
        return found

    def assignments(self, name: str, label: str) -> dict[str, str]:
        """Return `name = value` pairs, one a line; empty lines are left out."""
        found: dict[str, str] = {}
        for line in self.form.get(name, "").split("\n"):
            key, separator, value = line.partition("=")
            if separator and key.strip():
                found[key.strip()] = value.strip()
            elif line.strip():
                # The line is not repeated: what stands in it may be a secret.
                raise _refused(label, "a line has no `=`", "Write one `name = value` on each line.")
        return found


def _refused(label: str, cause: str, remedy: str) -> InvalidRequestError:
    return InvalidRequestError("reading a form", where=label, cause=f"{label}: {cause}", remedy=remedy)
