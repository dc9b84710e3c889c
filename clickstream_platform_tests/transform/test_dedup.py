"""Of the records with one id in one stream exactly one stays: the one that arrived first, whatever the order."""

from __future__ import annotations

import random
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.transform import dedup
from clickstream_platform.transform.dedup import SeenRecords
from clickstream_platform.transform.shreds import Shred, shred_from_rows
from clickstream_platform_tests.transform.batches import Staged, stage_lines, track
from clickstream_platform_tests.transform.columns import json_text

# A record as dedup sees it: stream, id, minute of its arrival (None: no receivedAt), content of the line.
Record = tuple[int, str, int | None, str]


def time_of(minute: int | None) -> str | None:
    return None if minute is None else json_text(f"2026-11-22T09:{minute:02d}:00Z")


def shreds_of(records: list[Record], first_position: int) -> list[Shred]:
    """Return shreds as engines make them: ordered by stream, one with times and one without."""
    shreds = []
    numbered = sorted(enumerate(records, first_position), key=lambda item: item[1][0])
    for dated in (True, False):
        chosen = [(position, record) for position, record in numbered if (record[2] is not None) == dated]
        if chosen:
            rows = [
                {"id": json_text(identity), **({"received_at": str(time_of(minute))} if dated else {})}
                for _, (_, identity, minute, _) in chosen
            ]
            hashes = [crc32(repr(record).encode()) for _, record in chosen]
            shreds.append(shred_from_rows(rows, [r[0] for _, r in chosen], [p for p, _ in chosen], hashes))
    return shreds


def survivors(chunks: list[list[Record]], folder: Path | None = None) -> list[Record]:
    """Return the records that stay, in order, after all chunks were seen."""
    seen, kept = SeenRecords(folder), set()
    everything = [record for chunk in chunks for record in chunk]
    position = 0
    for chunk in chunks:
        shreds = shreds_of(chunk, position)
        for shred, keep in zip(shreds, seen.add(shreds), strict=True):
            kept |= set(shred.position[keep].tolist())
        position += len(chunk)
    lost = seen.losers
    assert len(lost) == len(set(lost))
    assert set(lost) <= kept
    return [everything[index] for index in sorted(kept - set(lost))]


def winners(records: list[Record]) -> set[Record]:
    """Return what has to stay, by the rule itself."""
    best: dict[tuple[int, str], Record] = {}
    for record in records:
        current = best.setdefault(record[:2], record)
        best[record[:2]] = min(current, record, key=rank)
    return set(best.values())


def rank(record: Record) -> tuple[int, int]:
    return (99 if record[2] is None else record[2], crc32(repr(record).encode()))


records = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["a", "b", "c", "é", '"', "A"]),
    st.none() | st.integers(0, 3),
    st.sampled_from("xyz"),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(records, min_size=1, max_size=8), max_size=8), st.randoms())
def test_the_winner_depends_neither_on_the_order_nor_on_chunks(chunks: list[list[Record]], draw: random.Random) -> None:
    everything = [record for chunk in chunks for record in chunk]
    expected = winners(everything)
    for _ in range(3):
        kept = survivors(chunks)
        assert len(kept) == len(expected)
        assert set(kept) == expected
        draw.shuffle(everything)
        cuts = sorted(draw.randint(0, len(everything)) for _ in range(3))
        bounds = zip([0, *cuts], [*cuts, len(everything)], strict=True)
        chunks = [everything[start:end] for start, end in bounds if start < end]


def test_many_chunks_of_many_ids() -> None:
    draw = random.Random(7)
    ids: list[Record] = [
        (draw.randint(0, 3), f"id-{draw.randint(0, 4000)}", draw.randint(0, 9), draw.choice("xy"))
        for _ in range(20_000)
    ]
    chunks = [ids[start : start + 300] for start in range(0, len(ids), 300)]
    assert set(survivors(chunks)) == winners(list(ids))


def test_lots_on_disk_know_their_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedup, "MAX_TIER_RECORDS", 500)
    draw = random.Random(8)
    ids: list[Record] = [(0, f"id-{draw.randint(0, 3000)}", draw.randint(0, 9), draw.choice("xy")) for _ in range(9000)]
    chunks = [ids[start : start + 70] for start in range(0, len(ids), 70)]
    assert set(survivors(chunks, tmp_path)) == winners(ids)
    assert len(list(tmp_path.glob("seen-*-0.npy"))) > 5


def test_the_same_id_in_two_streams_is_two_records() -> None:
    chunk: list[Record] = [(0, "a", 1, "x"), (1, "a", 1, "x"), (0, "a", 1, "x")]
    assert survivors([chunk, chunk]) == chunk[:2]


def test_blanks_at_the_end_of_an_id_make_no_difference() -> None:
    staged = stage_lines([track("Purchase", identity, {}) for identity in ("a", "a ", "a  ", " a", "b\t", "b")])
    assert sorted(str(row["id"]) for row in staged.rows("purchase")) == [" a", "a", "b", "b\t"]


def test_nothing_to_see() -> None:
    assert SeenRecords().add([]) == []
    kept = SeenRecords().add(shreds_of([(0, "a", 1, "x")], 0))
    assert [keep.tolist() for keep in kept] == [[True]]


def lines_with_duplicates() -> list[bytes]:
    """Return 600 lines of 200 ids: repeated as they are, with another arrival, and with other properties."""
    lines = []
    for number in range(200):
        fields = {"receivedAt": f"2026-11-22T09:{number % 60:02d}:00Z"}
        lines.append(track("Purchase", f"m{number}", {"n": number}, **fields))
        if number % 3 == 0:
            lines += [lines[-1], lines[-1]]
        elif number % 3 == 1:
            later = {"receivedAt": f"2026-11-22T09:{number % 60:02d}:01Z"}
            lines += [track("Purchase", f"m{number}", {"n": -number, "late": True}, **later)] * 2
        else:
            lines += [track("Purchase", f"m{number}", {"n": number, "other": side}, **fields) for side in ("a", "b")]
    return lines


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_keeps_the_same_records_in_any_order(seed: int) -> None:
    lines = lines_with_duplicates()
    expected = rows_by_id(stage_lines(lines))
    assert [row["n"] for row in expected.values() if not row["other"]][:2] == [0, 1]
    random.Random(seed).shuffle(lines)
    staged = stage_lines(lines)
    assert rows_by_id(staged) == expected
    assert staged.totals == {"raw": 600, "rows": 200, "duplicates": 400, "rejected": 0, "discarded": 0}


def test_columns_do_not_depend_on_which_of_two_records_comes_first() -> None:
    early = track("Purchase", "m", {"n": 1}, receivedAt="2026-11-22T09:00:00Z")
    late = track("Purchase", "m", {"n": 1.5, "extra": "x" * 600}, receivedAt="2026-11-22T09:00:01Z")
    first, second = stage_lines([early, late]), stage_lines([late, early])
    assert first.batch.tables[0].columns == second.batch.tables[0].columns
    assert first.rows("purchase") == second.rows("purchase")
    assert [row["n"] for row in first.rows("purchase")] == [1.0]


def rows_by_id(staged: Staged) -> dict[object, dict[str, object]]:
    """Return the rows of the one table, and check that none of them is a duplicate."""
    rows = {row["id"]: row for row in staged.rows("purchase")}
    assert len(rows) == len(staged.rows("purchase"))
    assert all(np.isfinite(float(str(row["n"]))) for row in rows.values())
    return dict(sorted(rows.items(), key=lambda item: int(str(item[0])[1:])))
