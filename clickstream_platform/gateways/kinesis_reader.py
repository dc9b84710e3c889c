"""The shards of a Kinesis data stream, read with boto3. Fulfils the port `batcher.consumer`.

Belongs here: listing shards, iterators and their expiry, what Kinesis' errors mean, its limit of reads. Does not: which
shards are read by whom (`batcher.leases`).

Kinesis allows five reads a second and shard (GetRecords, API reference), so a cursor waits between them. An iterator
lives for five minutes; a cursor takes a new one behind its last record when it has expired.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import inf
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from clickstream_platform.batcher.consumer import (
    ShardGoneError,
    ShardInfo,
    ShardRead,
    ShardRecord,
    ShardsUnavailableError,
)
from clickstream_platform.errors import ClickstreamError, ConfigurationError
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.model.shared_ports import Clock

READ_PAUSE_SECONDS = 0.2
MAX_RECORDS_PER_READ = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GONE = {"ResourceNotFoundException", "InvalidArgumentException"}
_DENIED = {"AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException"}


class KinesisReader:
    """One Kinesis stream; to be shared by threads."""

    def __init__(
        self,
        stream: str,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        clock: Clock | None = None,
        pause_seconds: float = READ_PAUSE_SECONDS,
    ) -> None:
        """Read the stream of this name; credentials come from boto3's own chain."""
        self.stream = stream
        self.pause_seconds = pause_seconds
        self.clock = clock or SystemClock()
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 4},
            connect_timeout=5,
            read_timeout=30,
            max_pool_connections=64,
            tcp_keepalive=True,
        )
        # Typed only with the stubs of each service; the answers are checked by the contract suite.
        self._client: Any = boto3.session.Session().client(
            "kinesis", endpoint_url=endpoint_url, region_name=region, config=config
        )

    def list_shards(self) -> list[ShardInfo]:
        """See `ShardReader.list_shards`."""
        shards: list[ShardInfo] = []
        request: dict[str, Any] = {"StreamName": self.stream}
        while request:
            answer = self.ask("list_shards", **request)
            for each in answer["Shards"]:
                parents = (each.get("ParentShardId"), each.get("AdjacentParentShardId"))
                shards.append(ShardInfo(each["ShardId"], tuple(parent for parent in parents if parent)))
            token = answer.get("NextToken")
            request = {"NextToken": token} if token else {}
        return sorted(shards)

    def open(self, shard_id: str, position: str) -> KinesisCursor:
        """See `ShardReader.open`."""
        return KinesisCursor(self, shard_id, position)

    def ask(self, operation: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the operation takes
        """Ask Kinesis and turn its errors into ours."""
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**request)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            raise _meaning(operation, self.stream, code) from error
        except BotoCoreError as error:
            raise _meaning(operation, self.stream, type(error).__name__) from error
        return answer


class KinesisCursor:
    """Reads one shard onwards."""

    def __init__(
        self, reader: KinesisReader, shard_id: str, position: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Start behind a position; nothing is asked yet."""
        self._reader, self._shard_id, self._position, self._sleep = reader, shard_id, position, sleep
        self._iterator: str | None = None
        self._is_end = False
        self._next_read = 0.0
        self._asked_ms = 0

    def read(self) -> ShardRead:
        """See `ShardCursor.read`."""
        if self._is_end:
            return ShardRead((), 0, is_end=True, asked_ms=self._asked_ms)
        asked_ms, started = int(self._reader.clock.now().timestamp() * 1_000), time.monotonic()
        answer = self._answer()
        elapsed_ms = int((time.monotonic() - started) * 1_000)
        self._asked_ms = int(min(asked_ms, _server_ms(answer) - elapsed_ms))
        records = [_record(each) for each in answer["Records"]]
        if records:
            self._position = str(records[-1].sequence)
        self._iterator = answer.get("NextShardIterator")
        self._is_end = self._iterator is None
        behind_ms = int(answer.get("MillisBehindLatest") or 0)
        if len(records) >= MAX_RECORDS_PER_READ:  # kinesalite says 0 whatever is left
            behind_ms = max(behind_ms, 1)
        return ShardRead(records, behind_ms, self._is_end, self._asked_ms)

    def _answer(self) -> dict[str, Any]:
        self._sleep(max(0.0, self._next_read - time.monotonic()))
        self._next_read = time.monotonic() + self._reader.pause_seconds
        try:
            return self._get_records()
        except _ExpiredIteratorError:
            self._iterator = None
            return self._get_records()

    def _get_records(self) -> dict[str, Any]:
        if self._iterator is None:
            self._iterator = self._new_iterator()
        request = {"ShardIterator": self._iterator, "Limit": MAX_RECORDS_PER_READ}
        return self._reader.ask("get_records", **request)

    def _new_iterator(self) -> str:
        request: dict[str, Any] = {"StreamName": self._reader.stream, "ShardId": self._shard_id}
        if not self._position:
            request["ShardIteratorType"] = "TRIM_HORIZON"
        elif self._position.startswith("@"):
            request["ShardIteratorType"] = "AT_TIMESTAMP"
            request["Timestamp"] = _EPOCH + timedelta(milliseconds=int(self._position[1:]))
        else:
            request["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER"
            request["StartingSequenceNumber"] = self._position
        return str(self._reader.ask("get_shard_iterator", **request)["ShardIterator"])


class _ExpiredIteratorError(ShardsUnavailableError):
    """The iterator is older than five minutes."""


def _server_ms(answer: dict[str, Any]) -> float:
    """Return when Kinesis answered by its own clock: one of ours that is ahead must not vouch for what is to come."""
    try:
        return int(parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp() * 1_000)
    except (KeyError, ValueError):
        return inf


def _record(item: dict[str, Any]) -> ShardRecord:
    arrived: datetime = item["ApproximateArrivalTimestamp"]
    return ShardRecord(int(item["SequenceNumber"]), round(arrived.timestamp() * 1_000), item["Data"])


def _meaning(operation: str, stream: str, code: str) -> ClickstreamError:
    failed = f"asking Kinesis ({operation})"
    if code == "ExpiredIteratorException":
        return _ExpiredIteratorError(failed, where=stream, cause=code, remedy="A new iterator is taken.")
    if code in _GONE:
        remedy = "If the Kinesis stream was made anew, give the batcher another application name."
        return ShardGoneError(failed, where=stream, cause=code, remedy=remedy)
    if code in _DENIED or code in {"NoCredentialsError", "NoRegionError", "PartialCredentialsError"}:
        remedy = "Grant kinesis:ListShards, GetShardIterator and GetRecords on it; check credentials and region."
        return ConfigurationError(failed, where=stream, cause=code, remedy=remedy)
    remedy = "It is tried again; if it stays, look the code up in the Kinesis API reference."
    return ShardsUnavailableError(failed, where=stream, cause=code, remedy=remedy)
