"""Kinesis as the collector's sink: PutRecords, in threads of boto3.

Belongs here: the client, its limits, and what an answer means for each record. Does not: trying again, which the
collector does itself, for it knows which of its clients wait (botocore's own retries are off).

Why boto3 in threads and not aiobotocore: docs/decisions/0011-collector.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from clickstream_platform.collector.ports import SinkRecord, SinkUnavailableError
from clickstream_platform.errors import ConfigurationError

CONNECT_SECONDS, READ_SECONDS = 2, 5
"""Together well below the 10 to 15 s that SDKs wait for an answer, so that the spool still has its turn."""


class KinesisProducer:
    """Puts records on one Kinesis stream."""

    def __init__(self, stream_name: str, *, endpoint_url: str = "", region: str = "", max_workers: int = 8) -> None:
        """Make the client; credentials come from boto3's own chain. An endpoint is only for servers not Amazon's."""
        if endpoint_url and urlsplit(endpoint_url).username is not None:
            raise ConfigurationError(
                "cannot use the Kinesis endpoint",
                cause="its address holds a user name or password",
                remedy="Leave them out: boto3 finds credentials in the environment, a profile or a role.",
            )
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=max_workers,
            tcp_keepalive=True,
        )
        session = boto3.session.Session()
        self._client: Any = session.client(
            "kinesis", endpoint_url=endpoint_url or None, region_name=region or None, config=config
        )
        self._stream_name = stream_name
        self._threads = ThreadPoolExecutor(max_workers, "kinesis")

    async def put(self, records: Sequence[SinkRecord]) -> list[str | None]:
        """Put at most 500 records; return None for each that was taken, else Amazon's code of its failure.

        Raises SinkUnavailableError when the request as a whole failed; some records may have been taken even so.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._put, records)

    async def close(self) -> None:
        """Wait for running requests and release threads and connections."""
        await asyncio.to_thread(self._threads.shutdown)
        self._client.close()

    def check(self) -> None:
        """Raise ConfigurationError when the Kinesis stream is certainly not there; the spool covers the rest."""
        try:
            self._client.describe_stream_summary(StreamName=self._stream_name)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
                raise ConfigurationError(
                    "opening the Kinesis stream",
                    where=self._stream_name,
                    cause="there is none of that name",
                    remedy="Create it, or correct its name and region.",
                ) from error
        except BotoCoreError:
            return  # away: the spool takes what comes

    def _put(self, records: Sequence[SinkRecord]) -> list[str | None]:
        entries = [{"Data": record.data, "PartitionKey": record.partition_key} for record in records]
        try:
            answer = self._client.put_records(StreamName=self._stream_name, Records=entries)
        except ClientError as error:
            raise SinkUnavailableError(str(error.response.get("Error", {}).get("Code", "ClientError"))) from error
        except BotoCoreError as error:
            raise SinkUnavailableError(type(error).__name__) from error
        if not answer.get("FailedRecordCount"):
            return [None] * len(records)
        return [item.get("ErrorCode") for item in answer["Records"]]
