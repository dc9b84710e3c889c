"""What only S3 has to fear: broken connections, objects that change, permissions, throttling, leaked credentials."""

from __future__ import annotations

import io
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import CredentialRetrievalError, NoCredentialsError, ReadTimeoutError
from botocore.stub import Stubber

from clickstream_platform.errors import (
    ClickstreamError,
    ConfigurationError,
    InvalidNameError,
    ObjectChangedError,
    ObjectNotFoundError,
    ObjectStoreUnavailableError,
)
from clickstream_platform.gateways import s3_objects, s3_reader
from clickstream_platform.gateways.s3_client import MAX_ATTEMPTS, s3_client
from clickstream_platform.gateways.s3_errors import s3_errors
from clickstream_platform.gateways.s3_objects import S3ObjectStore
from clickstream_platform.gateways.s3_reader import S3Reader
from clickstream_platform_tests.servers import CREDENTIALS


@pytest.fixture
def store(s3_endpoint: str, s3_bucket: str) -> S3ObjectStore:
    return S3ObjectStore(s3_bucket, endpoint_url=s3_endpoint, max_workers=4)


@pytest.fixture(scope="module")
def stubbed() -> Iterator[tuple[S3ObjectStore, Stubber]]:
    """Return a store whose answers are arranged: for errors that no server here gives."""
    store = S3ObjectStore("bucket", region="us-east-1")
    with Stubber(store._client) as stub:
        yield store, stub


@pytest.fixture(autouse=True)
def _fast_resumes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_reader, "RESUME_SECONDS", 0.001)


class Cut:
    """A body that breaks after some bytes, as a dropped connection does."""

    def __init__(self, body: Any, size: int, error: Exception | None) -> None:
        self._body, self._left, self._error = body, size, error

    def read(self, size: int) -> bytes:
        if not self._left and self._error:
            raise self._error
        chunk: bytes = self._body.read(min(size, self._left))
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        self._body.close()


def cut_bodies(
    store: S3ObjectStore, monkeypatch: pytest.MonkeyPatch, sizes: list[int], error: Exception | None
) -> None:
    """Make the store's next answers break after so many bytes each; later ones are whole."""
    get_object = store._get_object
    waiting = iter(sizes)

    def cut(key: str, wanted: dict[str, Any]) -> Any:
        answer = get_object(key, wanted)
        size = next(waiting, None)
        if answer and size is not None:
            answer["Body"] = Cut(answer["Body"], size, error)  # type: ignore[typeddict-item]
        return answer

    monkeypatch.setattr(store, "_get_object", cut)


DATA = bytes(range(256)) * 20_000


@pytest.mark.parametrize("error", [ConnectionResetError(), ReadTimeoutError(endpoint_url="http://x"), None])
def test_a_broken_stream_goes_on_at_the_same_byte(
    store: S3ObjectStore, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    store.put("k", DATA)
    cut_bodies(store, monkeypatch, [1_000_000, 0, 0, 7, 2_000_000], error)
    with store.open("k") as stream:
        assert b"".join(iter(lambda: stream.read(70_001), b"")) == DATA
    cut_bodies(store, monkeypatch, [10, 20], error)
    assert store.get("k") == DATA
    cut_bodies(store, monkeypatch, [10, 20], error)
    assert store.get_range("k", 100, 1_000) == DATA[100:1_000]


def test_a_stream_that_never_goes_on_is_unavailable(store: S3ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("k", DATA)
    cut_bodies(store, monkeypatch, [1_000, *[0] * 50], ConnectionResetError())
    with pytest.raises(ObjectStoreUnavailableError, match=r"ConnectionResetError at byte 1000 of 5120000"):
        store.get("k")


@pytest.mark.parametrize("replacement", [bytes(len(DATA)), b"short"])
def test_an_object_that_changes_while_it_is_read_is_noticed(
    store: S3ObjectStore, monkeypatch: pytest.MonkeyPatch, replacement: bytes
) -> None:
    store.put("k", DATA)
    cut_bodies(store, monkeypatch, [2 << 20], ConnectionResetError())
    with store.open("k") as stream:
        stream.read(1 << 20)
        store.put("k", replacement)
        with pytest.raises(ObjectChangedError):
            stream.read()


def test_an_object_deleted_while_it_is_read_is_missing(store: S3ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("k", DATA)
    cut_bodies(store, monkeypatch, [2 << 20], ConnectionResetError())
    with store.open("k") as stream:
        stream.read(1)
        store.delete("k")
        with pytest.raises(ObjectNotFoundError):
            stream.read()


def test_a_server_that_ignores_the_condition_is_noticed() -> None:
    bodies = iter([b"old", b"new"])

    def open_at(position: int, etag: str) -> Any:
        data = next(bodies)
        return {
            "Body": Cut(io.BytesIO(data), 1, OSError()),
            "ETag": f'"{data.decode()}"',
            "ContentLength": 3 - position,
        }

    with pytest.raises(ObjectChangedError, match="replaced while it was read"):
        S3Reader("k", open_at).readall()


def test_a_large_file_goes_up_in_parts_and_is_compared_by_bytes(
    s3_endpoint: str, s3_bucket: str, tmp_path: Path
) -> None:
    store = S3ObjectStore(s3_bucket, endpoint_url=s3_endpoint, multipart_bytes=5 << 20)
    data = DATA * 3
    (tmp_path / "f").write_bytes(data)
    info = store.put_file("k", tmp_path / "f")
    assert info.etag.endswith("-3")
    assert store.put("k", data, if_absent=True).etag == info.etag
    with pytest.raises(ObjectChangedError):
        store.put("k", data[:-1] + b"x", if_absent=True)


def test_a_failed_upload_says_why(s3_endpoint: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(6 << 20))
    store = S3ObjectStore("no-such-bucket", endpoint_url=s3_endpoint, multipart_bytes=5 << 20)
    with pytest.raises(ConfigurationError, match="Create the bucket"):
        store.put_file("k", tmp_path / "f")
    with pytest.raises(ConfigurationError, match="NoSuchBucket"):
        list(store.list_objects(""))


def test_prefixes_share_a_bucket_without_meeting(s3_endpoint: str, s3_bucket: str) -> None:
    one, two, whole = (S3ObjectStore(s3_bucket, prefix, endpoint_url=s3_endpoint) for prefix in ("a", "a/b/", ""))
    one.put("k", b"one")
    two.put("k", b"two")
    whole.put("a/", b"")
    assert [info.key for info in one.list_objects("")] == ["b/k", "k"]
    assert list(one.list_prefixes("")) == ["b/"]
    assert [info.key for info in one.list_objects("", after="b/k")] == ["k"]
    assert [info.key for info in two.list_objects("")] == ["k"]
    assert [info.key for info in whole.list_objects("")] == ["a/", "a/b/k", "a/k"]
    assert (one.url("k"), whole.url("k")) == (f"s3://{s3_bucket}/a/k", f"s3://{s3_bucket}/k")


def test_many_are_read_only_as_fast_as_they_are_used(store: S3ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [f"{number:03}" for number in range(40)]
    started: list[str] = []
    threads: set[int] = set()

    def get(key: str) -> bytes:
        started.append(key)
        threads.add(threading.get_ident())
        return key.encode()

    monkeypatch.setattr(store, "get", get)
    results = store.get_many(keys)
    assert next(results) == ("000", b"000")
    assert len(started) <= 9
    assert [key for key, _ in results] == keys[1:]
    assert 1 <= len(threads) <= 4
    assert threading.get_ident() not in threads


def test_a_write_in_conflict_is_tried_again_then_unavailable(
    stubbed: tuple[S3ObjectStore, Stubber], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, stub = stubbed
    monkeypatch.setattr(s3_objects, "CONFLICT_SECONDS", 0.001)
    for _ in range(5):
        stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        stub.add_client_error("head_object", "404", http_status_code=404)
    with pytest.raises(ObjectStoreUnavailableError, match="busy"):
        store.put("k", b"x", if_absent=True)
    stub.assert_no_pending_responses()


CASES: list[tuple[str, int, type[ClickstreamError], str]] = [
    ("NoSuchKey", 404, ObjectNotFoundError, "no such object"),
    ("NoSuchBucket", 404, ConfigurationError, "Create the bucket"),
    ("AccessDenied", 403, ConfigurationError, "Grant s3:GetObject"),
    ("InvalidAccessKeyId", 403, ConfigurationError, "credentials"),
    ("ExpiredToken", 400, ConfigurationError, "credentials"),
    ("RequestTimeTooSkewed", 403, ConfigurationError, "clock"),
    ("InvalidObjectState", 403, ConfigurationError, "Glacier"),
    ("PermanentRedirect", 301, ConfigurationError, "region"),
    ("PreconditionFailed", 412, ObjectChangedError, "changed meanwhile"),
    ("KeyTooLongError", 400, InvalidNameError, "shorter"),
    ("SlowDown", 503, ObjectStoreUnavailableError, "Try again"),
    ("InternalError", 500, ObjectStoreUnavailableError, "Try again"),
    ("RequestTimeout", 400, ObjectStoreUnavailableError, "Try again"),
    ("TooManyRequests", 429, ObjectStoreUnavailableError, "Try again"),
    ("MethodNotAllowed", 405, ConfigurationError, "MethodNotAllowed"),
]


@pytest.mark.parametrize(("code", "status", "kind", "text"), CASES, ids=[case[0] for case in CASES])
def test_codes_become_errors_with_a_remedy(
    stubbed: tuple[S3ObjectStore, Stubber], code: str, status: int, kind: type[ClickstreamError], text: str
) -> None:
    store, stub = stubbed
    stub.add_client_error("get_object", code, "sent by the server: hunter2", http_status_code=status)
    with pytest.raises(kind, match=text) as caught:
        store.get("raw/k")
    assert "'raw/k'" in str(caught.value)
    assert "hunter2" not in str(caught.value)


USES: list[tuple[str, Callable[[S3ObjectStore], object], str]] = [
    ("put_object", lambda store: store.put("k", b""), "s3:PutObject"),
    ("head_object", lambda store: store.head("k"), "s3:GetObject"),
    ("list_objects_v2", lambda store: list(store.list_objects("")), "s3:ListBucket"),
    ("list_objects_v2", lambda store: list(store.list_prefixes("")), "s3:ListBucket"),
    ("delete_object", lambda store: store.delete("k"), "s3:DeleteObject"),
]


@pytest.mark.parametrize(("operation", "use", "permission"), USES)
def test_a_denied_request_names_the_permission(
    stubbed: tuple[S3ObjectStore, Stubber], operation: str, use: Callable[[S3ObjectStore], object], permission: str
) -> None:
    store, stub = stubbed
    stub.add_client_error(operation, "AccessDenied", http_status_code=403)
    with pytest.raises(ConfigurationError, match=permission):
        use(store)


def test_a_server_without_ranges_is_refused(stubbed: tuple[S3ObjectStore, Stubber]) -> None:
    store, stub = stubbed
    stub.add_response("get_object", {"ContentLength": 5_000, "ETag": '"x"'})
    with pytest.raises(ConfigurationError, match="whole object"):
        store.get_range("k", 5, 10)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NoCredentialsError(), ConfigurationError),
        (CredentialRetrievalError(provider="x", error_msg="secret"), ObjectStoreUnavailableError),
    ],
)
def test_errors_before_any_answer_are_sorted_too(error: Exception, kind: type[ClickstreamError]) -> None:
    with pytest.raises(kind, match=type(error).__name__) as caught, s3_errors("read", "k"):
        raise error
    assert "secret" not in str(caught.value)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return a port that nobody listens on, held so that nobody else takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_a_server_that_is_away_is_unavailable_and_nothing_leaks(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    store = S3ObjectStore("bucket", endpoint_url=f"http://127.0.0.1:{silent_port}", max_attempts=1)
    for use in (store.get, store.head, lambda key: store.put(key, b"x"), lambda key: list(store.list_objects(key))):
        with pytest.raises(ObjectStoreUnavailableError, match="EndpointConnectionError") as caught:
            use("k")
        assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in "".join(traceback.format_exception(caught.value))


def test_a_password_in_the_endpoint_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="user name or password") as caught:
        S3ObjectStore("bucket", endpoint_url="https://user:hunter2@example.com")
    assert "hunter2" not in str(caught.value)


def test_the_limits_are_as_documented() -> None:
    config: Any = s3_client(None, "eu-west-1", max_workers=32, max_attempts=MAX_ATTEMPTS).meta.config
    assert (config.connect_timeout, config.read_timeout, config.region_name) == (5, 60, "eu-west-1")
    assert config.retries == {"mode": "standard", "total_max_attempts": 8}
    assert config.max_pool_connections > 32
