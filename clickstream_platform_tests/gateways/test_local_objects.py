"""What only a local folder has to fear: names, half-written files, clocks, folders in the way."""

from __future__ import annotations

import os
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import ConfigurationError, InvalidNameError, ObjectStoreUnavailableError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.local_errors import local_errors
from clickstream_platform.gateways.local_names import MAX_NAME_BYTES, file_name, segment_of, temporary_name
from clickstream_platform.gateways.local_objects import LocalObjectStore

NINE = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def store(root: Path) -> LocalObjectStore:
    return LocalObjectStore(root, durable=False)


@given(st.text(st.sampled_from("aé注%=2E\U0001f600 ~"), max_size=120), st.booleans())
def test_names_and_segments_are_one_to_one(text: str, is_encoded: bool) -> None:
    segment = quote(text, safe="=") if is_encoded else text
    try:
        name = file_name(segment)
    except InvalidNameError:
        assert segment.startswith("%~") or len(segment.encode()) > MAX_NAME_BYTES
        return
    assert len(name.encode()) <= MAX_NAME_BYTES
    assert segment_of(name) == segment


def test_the_longest_event_in_any_script_fits(store: LocalObjectStore) -> None:
    for letter, letters in [("注", 33), ("я", 50), ("\U0001d4d0", 25), ("z", 100)]:
        key = f"raw/hour=2026-11-22T09/customer=acme/event={quote(letter * letters, safe='')}/0-1-2.ndjson.gz"
        store.put(key, b"x")
        assert [info.key for info in store.list_objects(key[:-5])] == [key]
        assert store.get(key) == b"x"
    assert len(list(store.list_prefixes("raw/hour=2026-11-22T09/customer=acme/"))) == 4


@pytest.mark.parametrize(
    "segment",
    ["a" * 256, "注" * 86, "%e6" * 90, "%E6%B3%A8" * 90, "%FF" * 90, "%~", "%~tmp-00", "注" + "%E6%B3%A8" * 30],
)
def test_a_segment_no_file_can_have_is_refused_with_a_remedy(store: LocalObjectStore, segment: str) -> None:
    with pytest.raises(InvalidNameError, match="Give the customer or event a shorter name"):
        store.put(f"raw/{segment}/k", b"x")
    assert list(store.list_objects("")) == []


def test_files_being_written_and_strangers_are_never_listed(store: LocalObjectStore, root: Path) -> None:
    store.put("a/k", b"x")
    (root / "a" / temporary_name()).write_bytes(b"half")
    (root / "a" / "%~short").write_bytes(b"stranger")
    (root / "b").mkdir()
    (root / "b" / temporary_name()).write_bytes(b"half")
    assert [info.key for info in store.list_objects("")] == ["a/k"]
    assert list(store.list_prefixes("")) == ["a/"]


def test_a_reader_sees_old_or_new_bytes_but_no_mixture(store: LocalObjectStore) -> None:
    versions = [bytes([number]) * 300_000 for number in range(2)]
    store.put("k", versions[0])
    is_done = threading.Event()

    def write() -> None:
        for turn in range(40):
            store.put("k", versions[(turn + 1) % 2])
        is_done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not is_done.is_set():
        assert store.get("k") in versions
        assert [info.size for info in store.list_objects("")] == [300_000]
    writer.join()


def test_an_open_stream_keeps_its_object(store: LocalObjectStore) -> None:
    store.put("k", b"old" * 1_000_000)
    with store.open("k") as stream:
        beginning = stream.read(3)
        store.put("k", b"new" * 1_000_000)
        assert beginning + stream.read() == b"old" * 1_000_000


def test_a_failed_write_leaves_the_old_object_and_no_rubbish(
    store: LocalObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a/k", b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(ObjectStoreUnavailableError, match="Free some space"):
        store.put("a/k", b"new")
    assert store.get("a/k") == b"old"
    assert [path.name for path in (root / "a").iterdir()] == ["k"]


def test_etags_differ_though_the_clock_stands_still(root: Path) -> None:
    store = LocalObjectStore(root, durable=False, clock=FixedClock(NINE))
    etags = {store.put("k", bytes([number])).etag for number in range(5)}
    assert len(etags) == 5
    assert store.put("k", b"\x04").etag in etags
    found = store.head("k")
    assert found is not None
    assert found.modified == NINE


def test_a_clock_set_back_still_makes_a_new_etag(root: Path) -> None:
    clock = FixedClock(NINE)
    store = LocalObjectStore(root, durable=False, clock=clock)
    first = store.put("k", b"1")
    clock.advance(timedelta(days=-1))
    assert store.put("k", b"2").etag != first.etag


def _identity(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def test_putting_the_same_bytes_leaves_the_file_alone(root: Path, tmp_path: Path) -> None:
    clock = FixedClock(NINE)
    store = LocalObjectStore(root, clock=clock)
    first = store.put("k", b"same")
    before = _identity(root / "k")
    clock.advance(timedelta(hours=1))
    (tmp_path / "source").write_bytes(b"same")
    assert store.put("k", b"same") == store.put_file("k", tmp_path / "source") == first
    assert _identity(root / "k") == before


def test_a_key_that_is_also_a_folder_is_refused(store: LocalObjectStore) -> None:
    store.put("a/b/c", b"x")
    for key, if_absent in [("a/b", False), ("a", True), ("a/b/c/d", False), ("a/b/c/", True), ("a/b/c/d/e", False)]:
        with pytest.raises(InvalidNameError, match="no key may be another's beginning"):
            store.put(key, b"y", if_absent=if_absent)
    assert [info.key for info in store.list_objects("")] == ["a/b/c"]


def test_writers_and_deleters_of_one_folder_do_not_disturb_each_other(store: LocalObjectStore) -> None:
    problems: list[Exception] = []

    def work(number: int) -> None:
        try:
            for _ in range(60):
                store.put(f"deep/er/{number}", b"x")
                store.delete(f"deep/er/{number}")
        except Exception as error:  # noqa: BLE001 - a thread's error would be lost
            problems.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert problems == []


def test_the_url_is_what_duckdb_reads(store: LocalObjectStore, tmp_path: Path) -> None:
    part = tmp_path / "part.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 42 AS answer) TO '{part}' (FORMAT parquet)")
        key = "staged/event=%E6%B3%A8/part 1.parquet"
        store.put_file(key, part)
        assert connection.execute("SELECT answer FROM read_parquet($1)", [store.url(key)]).fetchall() == [(42,)]


def test_durable_puts_reach_the_disk_with_their_folders(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(str(Path(f"/proc/self/fd/{handle}").readlink())))
    LocalObjectStore(root).put("a/b/k", b"x")
    folders = [str(root.parent), str(root), str(root / "a"), str(root / "a" / "b")]
    assert sorted({path for path in synced if "%~tmp" not in path}) == sorted(folders)
    assert sum("%~tmp" in path for path in synced) == 1
    synced.clear()
    LocalObjectStore(root, durable=False).put("a/b/k", b"y")
    assert synced == []


def test_a_file_is_no_root_and_a_missing_root_is_empty(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="not a folder"):
        LocalObjectStore(tmp_path / "file")
    store = LocalObjectStore(tmp_path / "none")
    assert list(store.list_objects("")) == []
    assert list(store.list_prefixes("a/")) == []
    store.delete("k")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        (PermissionError(13, "Permission denied", "/x"), ConfigurationError, "read and write access"),
        (OSError(1, "Operation not permitted"), ConfigurationError, "hard links"),
        (OSError(30, "Read-only file system"), ConfigurationError, "can be written"),
        (OSError(36, "File name too long"), InvalidNameError, "shorter path"),
        (OSError(5, "Input/output error"), ObjectStoreUnavailableError, "Check the disk"),
    ],
)
def test_errors_of_the_file_system_say_what_to_do(error: OSError, kind: type[Exception], remedy: str) -> None:
    with pytest.raises(kind, match=remedy), local_errors("put", "a/k"):
        raise error
