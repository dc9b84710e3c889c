"""What every object store must do; a test class per store inherits these and gives a `store` fixture.

What belongs here: promises of the port. What does not: tests of one store's inside (beside that store's tests).
"""

from __future__ import annotations

import io
import itertools
import random
import threading
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest

from clickstream_platform.errors import InvalidNameError, ObjectChangedError, ObjectNotFoundError, TerminalError
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.gateways.object_store import ObjectStore

# Chosen so that folders, files and code points sort differently in a file system than in S3.
NASTY_KEYS = [
    "a-b", "a.b", "a/", "a/b", "a/b-", "a/b0/c", "a0", "A/z", "empty", "hour=2026-11-22T09/x y.gz", "100%/50%41",
    "event=%E6%B3%A8%E6%96%87/1", "event=注文/1", "event=\U0001f600/1", "event=\uffee/1", "q?x#y&z+1/(*)", "a\\b", "~",
]  # fmt: skip
BAD_KEYS = [
    "", "/a", "..", "../a", "a/../b", "a/..", "./a", "a//b", "a//", "a\x00b", "a\nb", "a\ud800", "ä" * 513
]  # fmt: skip
BAD_PREFIXES = ["/", "../", "a/../b", "a//", "a\nb"]


class ObjectStoreContract:
    """The promises of `ObjectStore`."""

    paged_keys = 1_050
    """How many keys make several pages in this store."""

    def test_bytes_and_info_come_back(self, store: ObjectStore) -> None:
        before = SystemClock().now() - timedelta(seconds=2)  # some stores keep whole seconds
        info = store.put("raw/hour=1/a.gz", b"\x00\xff content")
        assert store.get("raw/hour=1/a.gz") == b"\x00\xff content"
        assert (info.key, info.size) == ("raw/hour=1/a.gz", 10)
        assert before <= info.modified <= SystemClock().now() + timedelta(seconds=2)
        found = store.head("raw/hour=1/a.gz")
        assert found is not None
        assert (found.key, found.size, found.etag) == (info.key, info.size, info.etag)
        assert found.modified.utcoffset() == timedelta(0)
        listed = list(store.list_objects("raw/"))
        assert [(info.key, info.size, info.etag) for info in listed] == [(info.key, info.size, info.etag)]
        assert before <= listed[0].modified <= SystemClock().now() + timedelta(seconds=2)

    def test_an_absent_object_is_told_apart(self, store: ObjectStore) -> None:
        store.put("a/b", b"x")
        for key in ("c", "a", "a/", "a/bb", "a/b/c"):
            assert store.head(key) is None
            assert not store.exists(key)
            for read in (store.get, store.open, lambda key: store.get_range(key, 0, 0)):
                with pytest.raises(ObjectNotFoundError, match="there is no such object"):
                    read(key)
        assert store.exists("a/b")

    def test_empty_objects_and_markers_are_objects(self, store: ObjectStore) -> None:
        for key in ("a/", "a/empty"):
            store.put(key, b"")
            assert store.get(key) == b""
            assert store.get_range(key, 0, 10) == b""
            with store.open(key) as stream:
                assert stream.read() == b""
        assert [(info.key, info.size) for info in store.list_objects("")] == [("a/", 0), ("a/empty", 0)]
        assert [info.key for info in store.list_objects("a/", after="a/")] == ["a/empty"]
        assert [info.key for info in store.list_objects("a/e")] == ["a/empty"]
        store.delete("a/")
        assert [info.key for info in store.list_objects("")] == ["a/empty"]

    def test_a_key_outside_the_grammar_is_refused(self, store: ObjectStore) -> None:
        uses = (store.get, store.head, store.open, store.delete, store.url, lambda key: store.put(key, b"x"))
        for key in BAD_KEYS:
            for use in uses:
                with pytest.raises(InvalidNameError):
                    use(key)
        assert list(store.list_objects("")) == []

    def test_a_prefix_outside_the_grammar_is_refused(self, store: ObjectStore) -> None:
        for prefix in BAD_PREFIXES:
            for use in (store.list_objects, store.list_prefixes):
                with pytest.raises(InvalidNameError):
                    use(prefix)

    def test_ranges_are_slices(self, store: ObjectStore) -> None:
        data = bytes(range(100))
        store.put("k", data)
        for start, end in [(0, 1), (0, 100), (10, 20), (99, 100), (90, 200), (100, 101), (300, 400), (5, 5), (7, 3)]:
            assert store.get_range("k", start, end) == data[start:end]
        for start, end in [(-1, 4), (0, -1)]:
            with pytest.raises(TerminalError, match="negative"):
                store.get_range("k", start, end)

    def test_a_large_file_streams_in_bounded_memory(self, store: ObjectStore, tmp_path: Path) -> None:
        chunks = [random.Random(seed).randbytes(1 << 20) for seed in range(20)]
        path = tmp_path / "large"
        with path.open("wb") as target:
            target.writelines(chunks)
        info = store.put_file("large", path)
        assert path.exists()
        assert info.size == 20 << 20
        assert store.head("large") is not None
        tracemalloc.start()
        try:
            with store.open("large") as stream:
                for expected in chunks:
                    assert stream.read(1 << 20) == expected
                assert stream.read(1) == b""
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak_bytes < 6 << 20
        assert store.get_range("large", (19 << 20) - 2, (19 << 20) + 2) == chunks[18][-2:] + chunks[19][:2]

    def test_a_stream_reads_lines(self, store: ObjectStore) -> None:
        store.put("lines", b"one\ntwo\n\nfour")
        with store.open("lines") as stream:
            assert list(stream) == [b"one\n", b"two\n", b"\n", b"four"]

    def test_a_missing_file_is_named(self, store: ObjectStore, tmp_path: Path) -> None:
        with pytest.raises(ObjectNotFoundError, match="nothing-here"):
            store.put_file("k", tmp_path / "nothing-here")
        assert not store.exists("k")

    def test_the_etag_follows_the_content(self, store: ObjectStore) -> None:
        first = store.put("k", b"one")
        assert store.put("k", b"one").etag == first.etag
        etags = [store.put("k", content).etag for content in (b"two", b"six", b"two", b"four")]
        assert len({first.etag, *etags[:2]}) == 3
        assert etags[3] not in {first.etag, *etags[:3]}
        assert store.get("k") == b"four"

    def test_an_object_is_written_once(self, store: ObjectStore) -> None:
        first = store.put("k", b"one", if_absent=True)
        again = store.put("k", b"one", if_absent=True)
        assert (again.key, again.size, again.etag) == (first.key, first.size, first.etag)
        for other in (b"two", b"three", b""):
            with pytest.raises(ObjectChangedError, match="other content"):
                store.put("k", other, if_absent=True)
        assert store.get("k") == b"one"

    def test_one_of_two_writers_wins(self, store: ObjectStore) -> None:
        for turn in range(10):
            key, start = f"race/{turn}", threading.Barrier(2)
            outcomes: dict[bytes, str] = {}

            def write(data: bytes, key: str = key, start: threading.Barrier = start) -> None:
                start.wait()
                try:
                    store.put(key, data, if_absent=True)
                    outcomes[data] = "won"  # noqa: B023
                except ObjectChangedError:
                    outcomes[data] = "lost"  # noqa: B023

            writers = [threading.Thread(target=write, args=(data,)) for data in (b"left" * 1_000, b"right" * 800)]
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join()
            assert sorted(outcomes.values()) == ["lost", "won"]
            assert outcomes[store.get(key)] == "won"

    def test_writers_of_the_same_bytes_all_succeed(self, store: ObjectStore) -> None:
        etags: list[str] = []
        data = b"same" * 5_000
        writers = [
            threading.Thread(target=lambda: etags.append(store.put("k", data, if_absent=True).etag)) for _ in range(4)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert len(etags) == 4
        assert len(set(etags)) == 1

    def test_keys_are_listed_in_code_point_order(self, store: ObjectStore) -> None:
        store.put_many((key, key.encode()) for key in NASTY_KEYS)
        expected = sorted(NASTY_KEYS)
        assert [info.key for info in store.list_objects("")] == expected
        for prefix in ["a", "a/", "a/b", "event=", "event=%", "event=注文/", "100%/", "none", "none/at/all", "a/b0/c"]:
            listed = [info.key for info in store.list_objects(prefix)]
            assert listed == [key for key in expected if key.startswith(prefix)]
        for after in [*NASTY_KEYS, "a/b0", "a/b0/", "a/b0/b", "b", "zzz"]:
            assert [info.key for info in store.list_objects("", after=after)] == [k for k in expected if k > after]
            in_a = [info.key for info in store.list_objects("a/", after=after)]
            assert in_a == [k for k in expected if k > after and k.startswith("a/")]
        assert dict(store.get_many(expected)) == {key: key.encode() for key in expected}

    def test_prefixes_are_found_without_their_objects(self, store: ObjectStore) -> None:
        keys = [
            "m",
            "raw/hour=1/customer=a/event=x/1",
            "raw/hour=1/customer=b/event=x/1",
            "raw/hour=2/",
            "raw/hour=2/customer=a/1",
        ]
        store.put_many((key, b"") for key in keys)
        assert list(store.list_prefixes("")) == ["raw/"]
        assert list(store.list_prefixes("raw/")) == ["raw/hour=1/", "raw/hour=2/"]
        assert list(store.list_prefixes("raw/hour=1/")) == ["raw/hour=1/customer=a/", "raw/hour=1/customer=b/"]
        assert list(store.list_prefixes("raw/hour=2")) == ["raw/hour=2/"]
        assert list(store.list_prefixes("raw/hour=2/customer=a/")) == []
        assert list(store.list_prefixes("none/")) == []
        store.delete("raw/hour=1/customer=b/event=x/1")
        assert list(store.list_prefixes("raw/hour=1/")) == ["raw/hour=1/customer=a/"]

    def test_listing_goes_over_pages(self, store: ObjectStore) -> None:
        keys = [f"p/{number:05}" for number in range(self.paged_keys)]
        store.put_many((key, b"") for key in reversed(keys))
        assert [info.key for info in store.list_objects("p/")] == keys
        assert [info.key for info in store.list_objects("p/", after=keys[-3])] == keys[-2:]
        assert [info.key for info in itertools.islice(store.list_objects("p/"), 3)] == keys[:3]

    def test_many_keep_their_order(self, store: ObjectStore) -> None:
        items = [(f"many/{number * 7 % 50:02}", bytes([number]) * 10) for number in range(50)]
        infos = store.put_many(iter(items))
        assert [info.key for info in infos] == [key for key, _ in items]
        assert list(store.get_many(key for key, _ in items)) == items
        asked = [items[3][0], "many/none", items[1][0]]
        assert [info.etag if info else None for info in store.head_many(asked)] == [infos[3].etag, None, infos[1].etag]
        with pytest.raises(ObjectNotFoundError):
            list(store.get_many(asked))
        assert store.put_many([]) == []

    def test_reading_many_can_stop_early(self, store: ObjectStore) -> None:
        keys = [f"many/{number:02}" for number in range(60)]
        store.put_many((key, key.encode()) for key in keys)
        assert next(iter(store.get_many(keys))) == (keys[0], keys[0].encode())

    def test_deleting_twice_is_a_normal_result(self, store: ObjectStore) -> None:
        store.put("a/b/c", b"x")
        store.put("a/d", b"y")
        for _ in range(2):
            store.delete("a/b/c")
        store.delete("a")
        assert [info.key for info in store.list_objects("")] == ["a/d"]
        store.put("a/b", b"now an object where a folder was")
        assert store.exists("a/b")

    def test_put_replaces(self, store: ObjectStore) -> None:
        store.put("k", b"long content")
        with store.open("k") as stream:
            assert stream.read() == b"long content"
        store.put("k", b"short")
        assert store.get("k") == b"short"
        assert [info.size for info in store.list_objects("")] == [5]

    def test_a_data_buffer_is_taken_as_it_is(self, store: ObjectStore) -> None:
        buffer = io.BytesIO(b"x" * 300_000)
        assert store.put("k", buffer.getvalue()).size == 300_000
        assert store.get("k") == buffer.getvalue()
