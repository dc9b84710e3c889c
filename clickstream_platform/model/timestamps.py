"""Times as text: the one written form of ISO 8601 that counts as a time, for `receivedAt` as for property values.

Belongs here: text to a moment. Does not: hours (`model.hours`), which columns become timestamps (`transform`).

Accepted are `2026-11-22` and `2026-11-22T09:30[:05[.123456789]]` with a space or `T` between, and `Z`, `+05:30`,
`+0530`, `+05` or nothing (UTC) at the end. Everything else is text: week dates, ordinal dates, 24:00, leap seconds,
signed or longer years, digits of other scripts, dates that no calendar has. A date that is guessed would be a silent
wrong date.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d)(?::?(\d\d))?)?)?", re.ASCII
)
_LAST_HOUR, _LAST_MINUTE = 23, 59


def parse_timestamp(text: str) -> datetime | None:
    """Return the moment in UTC, aware, or None when the text is no time; digits beyond microseconds are cut off."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int(fraction[:6].ljust(6, "0")) if fraction else 0,
            UTC,
        )
        return moment if sign is None else moment - _offset(sign, int(offset_hours), int(offset_minutes or 0))
    except (ValueError, OverflowError):  # no such date or offset; outside of the years 1 to 9999 once it is in UTC
        return None


def _offset(sign: str, hours: int, minutes: int) -> timedelta:
    if hours > _LAST_HOUR or minutes > _LAST_MINUTE:
        raise ValueError(hours, minutes)
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if sign == "-" else offset
