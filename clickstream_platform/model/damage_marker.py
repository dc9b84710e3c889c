"""The damage marker: the raw line that stands for what could not be decoded of an ingested source.

A raw object holds whole lines only, so a source that ends inside a gzip member leaves its undecodable rest in one
marker line of the stream `_unidentified` (in several only when the rest is too large for one line). The transform
puts that line into quarantine with the marker's reason and bytes.

Belongs here: the written form. Does not: finding damage (`codecs.gunzip`), writing raw lines (`ingest`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from clickstream_platform.model.records import RejectReason

MARKER_KEY = "_damaged"
# As base64 it must leave the line below MAX_RECORD_BYTES, or the marker could not be read back.
MAX_REST_BYTES = 2_000_000
MAX_TEXT_CHARACTERS = 1_000
_START = f'{{"{MARKER_KEY}":'.encode()


@dataclass(frozen=True, slots=True)
class DamageMarker:
    """What was wrong, in which source (its name, no path), from which line on (from 1), and the bytes that are left.

    `rest` is the cut-off last line as far as it was decoded, followed by the bytes that could not be decoded. `part`
    counts the pieces of a rest over MAX_REST_BYTES, from 0.
    """

    reason: RejectReason
    detail: str
    source: str
    line: int
    rest: bytes = b""
    part: int = 0

    def __post_init__(self) -> None:
        """Cut texts that come from outside, so that a marker always fits into one line."""
        object.__setattr__(self, "detail", self.detail[:MAX_TEXT_CHARACTERS])
        object.__setattr__(self, "source", self.source[:MAX_TEXT_CHARACTERS])

    def split(self) -> Iterator[DamageMarker]:
        """Yield the markers that hold the whole rest, each small enough for one line; nearly always just this one."""
        for part, start in enumerate(range(0, max(1, len(self.rest)), MAX_REST_BYTES)):
            yield replace(self, part=part, rest=self.rest[start : start + MAX_REST_BYTES])

    def to_line(self) -> bytes:
        """Return the marker's raw line, without a line end."""
        body: dict[str, object] = {
            "reason": str(self.reason),
            "detail": self.detail,
            "source": self.source,
            "line": self.line,
            "rest_base64": base64.b64encode(self.rest).decode(),
        }
        if self.part:
            body["part"] = self.part
        # ASCII: a file name may hold bytes that are no UTF-8, which Python keeps as lone surrogates.
        return json.dumps({MARKER_KEY: body}, separators=(",", ":")).encode()

    @classmethod
    def from_line(cls, line: bytes) -> DamageMarker | None:
        """Read a raw line of `_unidentified`; None for every line that `to_line` did not write, byte for byte."""
        if not line.startswith(_START):
            return None
        try:
            body = json.loads(line)[MARKER_KEY]
            rest = base64.b64decode(body["rest_base64"], validate=True)
            reason = RejectReason(body["reason"])
            marker = cls(reason, body["detail"], body["source"], body["line"], rest, body.get("part", 0))
            return marker if marker.to_line() == line else None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
