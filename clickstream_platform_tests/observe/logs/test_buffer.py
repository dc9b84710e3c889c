"""The buffer on disk: order, ids, restarts, adoption, the bound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from clickstream_platform.observe.logs.buffer import LogFolder, adoptable, keep_within, size_of


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    with ExitStack() as opened:
        yield Folders(tmp_path, opened)


class Folders:
    """Makes and adopts folders, and closes them at the end."""

    def __init__(self, root: Path, opened: ExitStack) -> None:
        self.root, self._opened = root, opened

    def create(self, name: str = "run") -> LogFolder:
        folder = LogFolder.create(self.root, name)
        self._opened.callback(folder.close)
        return folder

    def adopt(self, path: Path) -> LogFolder:
        folder = LogFolder.adopt(path)
        assert folder is not None
        self._opened.callback(folder.close)
        return folder


def texts(folder: LogFolder, *, max_lines: int = 100) -> list[str]:
    """Read and mark everything."""
    found = []
    while (batch := folder.next_batch(max_lines, 1_000_000)) is not None:
        found += [line.document.decode() for line in batch.lines]
        folder.mark_sent(batch)
    return found


def test_lines_come_in_order_and_their_files_go(folders: Folders) -> None:
    folder = folders.create()
    folder.append([b"1", b"2"], 10)
    folder.append([b"3"] * 10, 10)
    folder.append([b"4"], 10)
    assert texts(folder, max_lines=3) == ["1", "2", *["3"] * 10, "4"]
    assert size_of(folders.root) == 0
    folder.append([b"5"], 10)
    assert texts(folder) == ["5"]
    assert folder.close() == 0
    assert list(folders.root.iterdir()) == []


def test_what_is_not_marked_comes_again_under_the_same_ids(folders: Folders) -> None:
    folder = folders.create()
    folder.append([b"a", b"bb", b"ccc"], 1_000)
    first, second = folder.next_batch(2, 1_000), folder.next_batch(2, 1_000)
    assert first == second
    assert first is not None
    assert len({line.id for line in first.lines}) == 2
    path = folder.path
    assert folder.close() == 3
    adopted = folders.adopt(path)
    again = adopted.next_batch(2, 1_000)
    assert again is not None
    assert again.lines == first.lines


def test_a_folder_is_adopted_only_when_its_owner_is_gone(folders: Folders) -> None:
    living, mine = folders.create(), folders.create("batcher")
    living.append([b"x"], 100)
    assert list(adoptable(folders.root, mine.path)) == [living.path]
    assert LogFolder.adopt(living.path) is None
    living.close()
    adopted = folders.adopt(living.path)
    assert texts(adopted) == ["x"]
    adopted.close()
    assert list(adoptable(folders.root, mine.path)) == []


def test_half_a_line_of_a_killed_process_is_left_out_and_its_folder_goes(folders: Folders) -> None:
    folder = folders.create()
    folder.append([b"whole"], 100)
    (file,) = folder.path.glob("*.ndjson")
    folder.close()
    file.write_bytes(file.read_bytes() + b'{"half":')
    adopted = folders.adopt(folder.path)
    assert texts(adopted) == ["whole"]
    adopted.close()
    assert not folder.path.exists()


def test_beyond_the_bound_the_oldest_file_goes_and_its_lines_are_counted(folders: Folders) -> None:
    old, new = folders.create("old"), folders.create("new")
    old.append([b"x" * 99] * 10, 1_000)
    for age, file in enumerate(old.path.glob("*.ndjson")):
        os.utime(file, (age, age))
    for _ in range(3):
        new.append([b"y" * 99] * 10, 1_000)
    assert keep_within(folders.root, 3_500) == 10
    assert size_of(folders.root) == 3_000
    assert texts(old) == []
    assert len(texts(new)) == 30


def test_a_process_whose_file_was_taken_begins_a_new_one(folders: Folders) -> None:
    folder = folders.create()
    folder.append([b"lost"], 1_000)
    (file,) = folder.path.glob("*.ndjson")
    file.unlink()
    folder.append([b"kept"], 1_000)
    assert texts(folder) == ["kept"]


def test_zeros_that_a_machine_left_when_it_stopped_are_left_out(folders: Folders) -> None:
    folder = folders.create()
    folder.append([b"1", b"\0" * 500, b"2"], 10_000)
    assert texts(folder) == ["1", "2"]


def test_a_file_that_was_taken_while_it_was_sent_leaves_nothing_behind(folders: Folders) -> None:
    folder = folders.create()
    for _ in range(3):
        folder.append([b"x" * 100], 50)
        batch = folder.next_batch(10, 1_000)
        assert batch is not None
        batch.file.unlink()
        folder.mark_sent(batch)
    assert folder._sent == {}


def test_a_clock_that_was_set_back_does_not_make_the_newest_file_the_oldest(folders: Folders) -> None:
    folder = folders.create()
    for text in (b"1", b"2", b"3"):
        folder.append([text * 1_000], 1_000)
    for file, moment in zip(sorted(folder.path.glob("*.ndjson")), (5_000, 1_000, 1_100), strict=True):
        os.utime(file, (moment, moment))
    assert keep_within(folders.root, 2_100) == 1
    assert [text[0] for text in texts(folder)] == ["2", "3"]
