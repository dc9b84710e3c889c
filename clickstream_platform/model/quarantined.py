"""A rejected record as the quarantine keeps it: one line of JSON per record, with all of its bytes.

Belongs here: the written form. Does not: keys (`model.object_keys`), rejecting (`transform`), reading quarantine
objects (`quarantine`).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.records import RejectReason


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """One rejected record: its raw object and line there (from 1), why it was rejected, its bytes without a line end.

    `part` counts the pieces of a line over the size limit, from 0.
    """

    object_key: str
    line: int
    reason: RejectReason
    detail: str
    data: bytes
    part: int = 0

    def to_json(self) -> bytes:
        """Return the stored line, without a line end; bytes that are no UTF-8 text go in base64."""
        body: dict[str, object] = {
            "object": self.object_key,
            "line": self.line,
            "reason": str(self.reason),
            "detail": self.detail,
        }
        if self.part:
            body["part"] = self.part
        try:
            body["record"] = self.data.decode()
        except UnicodeDecodeError:
            body["record_base64"] = base64.b64encode(self.data).decode()
        # A detail may quote half of a surrogate pair, which UTF-8 does not have: write it as JSON's own escape.
        text = json.dumps(body, ensure_ascii=not _is_utf8(self.detail), separators=(",", ":"))
        return text.encode()

    @classmethod
    def from_json(cls, line: bytes) -> QuarantinedRecord:
        """Read a stored line; raise InvalidNameError when it is damaged."""
        try:
            body = json.loads(line)
            text = body.get("record")
            data = base64.b64decode(body["record_base64"], validate=True) if text is None else text.encode()
            return cls(
                str(body["object"]),
                int(body["line"]),
                RejectReason(body["reason"]),
                str(body["detail"]),
                data,
                int(body.get("part", 0)),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidNameError(
                "reading a quarantined record",
                cause=f"{type(error).__name__}: {error}",
                remedy="Load the stream-hour again: its quarantine object is written anew from the raw objects.",
            ) from error


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
