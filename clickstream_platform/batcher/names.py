"""Names the batcher gives: shards in object keys, sequence numbers, its own notes beside each batch.

Belongs here: the batcher's part of the grammar of `model.object_keys`, and keys below `batcher/`. Does not: content.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.hours import Hour

SEQUENCE_DIGITS = 56  # what Kinesis gives today; shorter ones are padded, so that keys sort by them
HASH_DIGITS = 8
FIRST_HOUR, LAST_HOUR = 0, 70_389_526  # of 1970-01-01T00 and 9999-12-31T22, the last one whose end is a datetime
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_APPLICATION = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def shard_name(kinesis_stream: str, shard_id: str) -> str:
    """Return the `<shard>` of object keys and seals, such as `events.000000000003`.

    A stream's name with characters that keys do not take gets a hash behind it, so that no two streams share a name.
    """
    number = re.sub(r"[^A-Za-z0-9_]", "_", shard_id.removeprefix("shardId-"))
    plain = re.sub(r"[^A-Za-z0-9_]", "_", kinesis_stream)
    if plain != kinesis_stream:
        plain = f"{plain}.{sha256(kinesis_stream.encode()).hexdigest()[:HASH_DIGITS]}"
    return f"{plain}.{number}"


def sequence_name(sequence: int) -> str:
    """Return a sequence number as a part of an object key."""
    return f"{sequence:0{SEQUENCE_DIGITS}d}"


def check_application(name: str) -> str:
    """Return the name of an application; raise ConfigurationError when it can't be part of a key."""
    if not _APPLICATION.fullmatch(name) or not name.strip("."):
        raise ConfigurationError(
            "naming the batcher's application",
            cause=f"{name[:200]!r}",
            remedy="Use 1 to 128 letters, digits, '_', '.' and '-'.",
        )
    return name


def notes_prefix(application: str, shard: str) -> str:
    """Return `batcher/<application>/<shard>/`, where the notes of a shard's batches are."""
    return f"batcher/{application}/{shard}/"


def notes_key(application: str, shard: str, number: int, kind: str) -> str:
    """Return the key of one batch's notes; kind is `objects.json` or `ids`."""
    return f"{notes_prefix(application, shard)}{number:012d}.{kind}"


def strays_key(application: str, shard: str, first: int, last: int) -> str:
    """Return the key of Kinesis records that hold no events."""
    return f"batcher/{application}/strays/{shard}-{sequence_name(first)}-{sequence_name(last)}.ndjson.gz"


@lru_cache(maxsize=4_096)
def hour_of_number(hours: int) -> Hour:
    """Return the hour that began so many hours after 1970."""
    return Hour(_EPOCH + timedelta(hours=hours))


def end_ms(hour: Hour) -> int:
    """Return the end of an hour in ms since 1970."""
    return int(hour.end.timestamp()) * 1_000


def hour_before_ms(moment_ms: int) -> Hour:
    """Return the last hour that had ended at a moment in ms since 1970."""
    return hour_of_number(moment_ms // 3_600_000 - 1)
