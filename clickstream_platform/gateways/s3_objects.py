"""Objects in Amazon S3, or in a server that speaks its protocol.

What belongs here: `S3ObjectStore`, the requests of the port. What does not: the client and its limits (`s3_client`),
errors (`s3_errors`), streams that resume (`s3_reader`).
"""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from clickstream_platform.errors import ConfigurationError, ObjectChangedError
from clickstream_platform.gateways.object_store import (
    DEFAULT_MAX_WORKERS,
    ObjectInfo,
    check_key,
    check_prefix,
    check_range,
    content_etag,
    differs,
    not_found,
    source_size,
)
from clickstream_platform.gateways.s3_client import MAX_ATTEMPTS, s3_client
from clickstream_platform.gateways.s3_errors import ABSENT, BEYOND_END, error_code, s3_errors, unavailable
from clickstream_platform.gateways.s3_reader import CHUNK_BYTES, S3Reader

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, ListObjectsV2OutputTypeDef, PaginatorConfigTypeDef

PAGE_SIZE = 1_000  # keys per listing request, S3's own maximum
MULTIPART_BYTES = 16 << 20
CONFLICT_ATTEMPTS, CONFLICT_SECONDS = 5, 0.05  # the wait before the second attempt, then doubled
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class S3ObjectStore:
    """Keeps objects in one bucket, under an optional prefix that callers never see in keys."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        max_workers: int = DEFAULT_MAX_WORKERS,
        max_attempts: int = MAX_ATTEMPTS,
        page_size: int = PAGE_SIZE,
        multipart_bytes: int = MULTIPART_BYTES,
    ) -> None:
        """Use a bucket that exists; endpoint_url names another server than Amazon's. No request is made yet."""
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._max_workers, self._page_size = max_workers, page_size
        self._transfer = TransferConfig(
            multipart_threshold=multipart_bytes, multipart_chunksize=multipart_bytes, max_concurrency=max_workers
        )
        with s3_errors("open", bucket):
            self._client = s3_client(endpoint_url, region, max_workers, max_attempts)

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        with self._reader(key, 0, None) as reader:
            return reader.readall()

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """See `ObjectStore.get_range`."""
        check_range(key, start, end)
        # S3 has no empty ranges: one byte is asked for and dropped, so that a missing object is still reported.
        with self._reader(key, start, max(end, start + 1)) as reader:
            return reader.readall() if end > start else b""

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`; a broken connection is resumed, see `s3_reader`."""
        return io.BufferedReader(self._reader(key, 0, None), CHUNK_BYTES)

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """See `ObjectStore.put`; a held object whose etag is no MD5 (multipart, KMS) is compared by its bytes."""
        check_key(key)
        if not if_absent:
            with s3_errors("put", key):
                return self._put_object(key, data, len(data))
        for attempt in range(CONFLICT_ATTEMPTS):
            try:
                with s3_errors("put", key):
                    return self._put_object(key, data, len(data), IfNoneMatch="*")
            except ObjectChangedError:
                held = self.head(key)
            if held is not None:
                return self._unless_differs(held, data)
            time.sleep(CONFLICT_SECONDS * 2**attempt)  # 409: another conditional write was under way, and then failed
        raise unavailable("put", key, "other writers kept this name busy")

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """See `ObjectStore.put_file`; in parts when it is large, the etag is then no MD5."""
        check_key(key)
        size = source_size(key, path)
        with s3_errors("put", key):
            if size < self._transfer.multipart_threshold:
                with path.open("rb") as source:
                    return self._put_object(key, source, size)
            try:
                self._client.upload_file(str(path), self._bucket, self._full(key), Config=self._transfer)
            except S3UploadFailedError as error:  # boto3 wraps the error that says why
                raise error.__context__ or error from None
        return self._required(key)

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> list[ObjectInfo]:
        """See `ObjectStore.put_many`."""
        return list(self._map(lambda item: self.put(*item), items))

    def head_many(self, keys: Iterable[str]) -> list[ObjectInfo | None]:
        """See `ObjectStore.head_many`."""
        return list(self._map(self.head, keys))

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See `ObjectStore.get_many`; at most twice max_workers objects are in memory."""
        return self._map(lambda key: (key, self.get(key)), keys)

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        check_key(key)
        with s3_errors("look up", key):
            try:
                answer = self._client.head_object(Bucket=self._bucket, Key=self._full(key))
            except ClientError as error:
                if error_code(error) in ABSENT:
                    return None
                raise
        return ObjectInfo(key, answer["ContentLength"], _bare(answer["ETag"]), _utc(answer["LastModified"]))

    def exists(self, key: str) -> bool:
        """See `ObjectStore.exists`."""
        return self.head(key) is not None

    def list_objects(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """See `ObjectStore.list_objects`; one page is in memory at a time."""
        check_prefix(prefix)
        pages = self._pages(prefix, **({"StartAfter": self._full(after)} if after else {}))
        return (
            ObjectInfo(self._short(item["Key"]), item["Size"], _bare(item["ETag"]), _utc(item["LastModified"]))
            for page in pages
            for item in page.get("Contents", ())
            if item["Key"] != self._prefix  # the marker of the store's own prefix has no key here
        )

    def list_prefixes(self, prefix: str) -> Iterator[str]:
        """See `ObjectStore.list_prefixes`."""
        check_prefix(prefix)
        pages = self._pages(prefix, Delimiter="/")
        return (self._short(common["Prefix"]) for page in pages for common in page.get("CommonPrefixes", ()))

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        check_key(key)
        with s3_errors("delete", key):
            self._client.delete_object(Bucket=self._bucket, Key=self._full(key))

    def url(self, key: str) -> str:
        """See `ObjectStore.url`."""
        check_key(key)
        return f"s3://{self._bucket}/{self._full(key)}"

    def _full(self, key: str) -> str:
        return f"{self._prefix}{key}"

    def _short(self, key: str) -> str:
        return key.removeprefix(self._prefix)

    def _required(self, key: str) -> ObjectInfo:
        info = self.head(key)
        if info is None:
            raise not_found(key)
        return info

    def _put_object(self, key: str, body: bytes | BinaryIO, size: int, **conditions: Any) -> ObjectInfo:  # noqa: ANN401
        answer = self._client.put_object(Bucket=self._bucket, Key=self._full(key), Body=body, **conditions)
        # S3 does not tell LastModified here; its own clock at the answer is as near as one gets without a request more.
        answered = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return ObjectInfo(key, size, _bare(answer["ETag"]), _utc(answered))

    def _unless_differs(self, held: ObjectInfo, data: bytes) -> ObjectInfo:
        is_same = held.etag == content_etag(data) or (held.size == len(data) and self.get(held.key) == data)
        if not is_same:
            raise differs(held.key)
        return held

    def _reader(self, key: str, start: int, end: int | None) -> S3Reader:
        check_key(key)

        def open_at(position: int, etag: str) -> GetObjectOutputTypeDef | None:
            wanted: dict[str, str] = {"IfMatch": etag} if etag else {}
            if position or end is not None:  # an empty object has no range at all, not even "bytes=0-"
                wanted["Range"] = f"bytes={position}-{'' if end is None else end - 1}"
            with s3_errors("read", key):
                return self._get_object(key, wanted)

        return S3Reader(key, open_at, start=start)

    def _get_object(self, key: str, wanted: dict[str, Any]) -> GetObjectOutputTypeDef | None:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._full(key), **wanted)
        except ClientError as error:
            if error_code(error) in BEYOND_END:
                return None
            raise
        if "Range" in wanted and "ContentRange" not in answer:
            raise ConfigurationError(
                f"cannot read a range of object {key!r}",
                cause="the server answers with the whole object",
                remedy="Use an S3-compatible server that supports ranged reads.",
            )
        return answer

    def _pages(self, prefix: str, **options: Any) -> Iterator[ListObjectsV2OutputTypeDef]:  # noqa: ANN401
        with s3_errors("list", prefix):
            paginator = self._client.get_paginator("list_objects_v2")
            page_size: PaginatorConfigTypeDef = {"PageSize": self._page_size}
            yield from paginator.paginate(
                Bucket=self._bucket, Prefix=self._full(prefix), PaginationConfig=page_size, **options
            )

    def _map(self, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Yield results in the order of the items, which are taken only as fast as the results are used."""
        ahead: deque[Future[_Result]] = deque()
        with ThreadPoolExecutor(self._max_workers, thread_name_prefix="objects") as pool:
            try:
                for item in items:
                    if len(ahead) >= 2 * self._max_workers:
                        yield ahead.popleft().result()
                    ahead.append(pool.submit(work, item))
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()


def _bare(etag: str) -> str:
    return etag.strip('"')


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
