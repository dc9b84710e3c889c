"""Parquet parts of bounded size, from writers that hold little however many there are."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clickstream_platform.gateways.memory_objects import MemoryObjectStore
from clickstream_platform.model.schemas import Column, ColumnType
from clickstream_platform.model.staging import TABLE_COLUMN, StagedPart
from clickstream_platform.transform import parts
from clickstream_platform.transform.parts import Holdings, PartWriter

COLUMNS = (Column("n", ColumnType.BIGINT), Column("text", ColumnType.VARCHAR, 512), Column("json", ColumnType.JSON))


class Batch:
    """Writers of one batch in a folder."""

    def __init__(self, folder: Path, part_bytes: int = 64_000_000) -> None:
        self.store, self.folder, self.holdings, self.part_bytes = MemoryObjectStore(), folder, Holdings(), part_bytes

    def writer(self, name: str, *, shared: bool = False) -> PartWriter:
        return PartWriter(
            self.store,
            f"staged/{name}-",
            COLUMNS,
            self.folder,
            shared=shared,
            part_bytes=self.part_bytes,
            holdings=self.holdings,
        )

    def rows(self, written: tuple[StagedPart, ...]) -> list[int]:
        """Return the numbers in the parts, in order."""
        numbers = []
        for part in written:
            table = pq.read_table(io.BytesIO(self.store.get(part.key)), use_threads=False)
            assert len(table) == part.rows
            assert len(self.store.get(part.key)) == part.size
            numbers += table.column("n").to_pylist()
        return numbers


def arrays(first: int, rows: int) -> dict[str, pa.Array]:
    """Return rows of about 100 bytes each."""
    numbers = range(first, first + rows)
    return {"n": pa.array(numbers, pa.int64()), "text": pa.array([f"{number:090d}" for number in numbers])}


def test_rows_come_in_order_and_missing_columns_are_null(tmp_path: Path) -> None:
    batch = Batch(tmp_path)
    writer = batch.writer("a", shared=True)
    writer.write(arrays(0, 3) | {TABLE_COLUMN: pa.array([7, 7, 8], pa.int32())}, 3)
    writer.write({}, 0)
    writer.write(arrays(3, 2) | {TABLE_COLUMN: pa.array([8, 9], pa.int32())}, 2)
    (part,) = writer.close()
    table = pq.read_table(io.BytesIO(batch.store.get(part.key)), use_threads=False)
    assert table.column_names == ["n", "text", "json", TABLE_COLUMN]
    assert table.column("n").to_pylist() == [0, 1, 2, 3, 4]
    assert table.column(TABLE_COLUMN).to_pylist() == [7, 7, 8, 8, 9]
    assert table.column("json").null_count == 5
    assert part.key == "staged/a-part-000.parquet"
    assert list(tmp_path.iterdir()) == []


def test_without_rows_nothing_is_written(tmp_path: Path) -> None:
    batch = Batch(tmp_path)
    assert batch.writer("a").close() == ()
    assert list(batch.store.list_objects("")) == []


def test_parts_end_at_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ROW_GROUP_BYTES", 10_000)
    batch = Batch(tmp_path, part_bytes=20_000)
    writer = batch.writer("a")
    for first in range(0, 9000, 50):
        writer.write(arrays(first, 50), 50)
    written = writer.close()
    assert [part.key[-12:-8] for part in written] == [f"-{number:03d}" for number in range(len(written))]
    assert len(written) > 3
    assert all(20_000 <= part.size < 45_000 for part in written[:-1])
    assert batch.rows(written) == list(range(9000))


def test_many_writers_hold_little_together_and_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "HELD_BYTES", 300_000)
    batch = Batch(tmp_path)
    writers = [batch.writer(f"t{number}") for number in range(60)]
    for first in range(0, 1000, 100):
        for writer in writers:
            writer.write(arrays(first, 100), 100)
            assert sum(writer._held_bytes for writer in writers) <= 300_000
            assert list(tmp_path.iterdir()) == []
    for writer in writers:
        written = writer.close()
        assert batch.rows(written) == list(range(1000))
        assert len(written) > 1


def test_below_the_limit_every_table_is_one_part(tmp_path: Path) -> None:
    batch = Batch(tmp_path)
    writers = [batch.writer(f"t{number}") for number in range(20)]
    for first in range(0, 1000, 100):
        for writer in writers:
            writer.write(arrays(first, 100), 100)
    assert [len(writer.close()) for writer in writers] == [1] * 20
