"""Staged parts as local files, from a folder and from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from clickstream_platform.errors import ObjectNotFoundError
from clickstream_platform.gateways.local_objects import LocalObjectStore
from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.gateways.part_files import PartFiles
from clickstream_platform.model.staging import StagedPart

KEY = "staged/customer=a/hour=2026-11-22T09/d/part 1%.parquet"


def test_a_part_in_a_local_folder_is_read_where_it_is(tmp_path: Path) -> None:
    store = LocalObjectStore(tmp_path / "objects")
    store.put(KEY, b"rows")
    with PartFiles(store, str(tmp_path)) as locate:
        assert Path(locate(StagedPart(KEY, 4, 1))).read_bytes() == b"rows"
    assert [path.name for path in tmp_path.iterdir()] == ["objects"]


def test_a_part_elsewhere_is_fetched_once_and_its_copy_ends_with_the_load(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    store.put(KEY, b"rows")
    part = StagedPart(KEY, 4, 1)
    with PartFiles(store, str(tmp_path)) as locate:
        path = Path(locate(part))
        assert (path.read_bytes(), locate(part)) == (b"rows", str(path))
        assert path.is_relative_to(tmp_path)
    assert store.story.count(("open", KEY)) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with PartFiles(MemoryObjectStore(), str(tmp_path)) as locate, pytest.raises(ObjectNotFoundError):
        locate(StagedPart(KEY, 4, 1))
