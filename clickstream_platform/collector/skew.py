"""The time of an event by the platform's clock, whatever the sender's clock says.

    timestamp = receivedAt - (sentAt - time as sent)

as in the Segment specification ("timestamp = receivedAt - (sentAt - originalTimestamp)"): how long before sending it
happened is known exactly, for both times are of the sender's clock. Belongs here: that rule and the written form of
times. Does not: which members hold the times (`completing`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

# An event that happened more than a day after it was sent: the two times are not of one clock.
_MAX_AFTER_SENDING = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def in_milliseconds(moment: datetime) -> int:
    """Return the whole milliseconds since 1970 of an aware moment."""
    return (moment - _EPOCH) // _MILLISECOND


def written(moment: datetime) -> str:
    """Return a UTC moment as `2026-11-22T09:02:03.931Z`, with microseconds where it has them."""
    has_more = moment.microsecond % 1000
    return moment.isoformat(timespec="microseconds" if has_more else "milliseconds").removesuffix("+00:00") + "Z"


def corrected(happened: datetime, sent_at: datetime | None, received_at: datetime) -> str | None:
    """Return the time of an event by the collector's clock; None when it is to stay as it was sent."""
    if sent_at is None or happened - sent_at > _MAX_AFTER_SENDING:
        return None
    try:
        return written(received_at - (sent_at - happened))
    except OverflowError:  # outside of the years 1 to 9999
        return None
