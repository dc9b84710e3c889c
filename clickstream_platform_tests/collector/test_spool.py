"""The spool's files: what was appended is there, in order, whatever happened to the process or the end of a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.collector.spool import Spool, SpoolRecord
from clickstream_platform.errors import ConfigurationError

# Appends numbered records for ever, and says the number of each that is safe.
_WRITER = """
import sys
from pathlib import Path
from clickstream_platform.collector.spool import Spool, SpoolRecord
spool = Spool(Path(sys.argv[1]), 5_000)
for number in range(1_000_000):
    spool.append([SpoolRecord("acme", f"acme/{number}", b"x" * (number % 500), number)])
    print(number, flush=True)
"""


def records(numbers: range) -> list[SpoolRecord]:
    return [SpoolRecord(f"kunde_ä{n % 3}", f"key/{n}", b"\0\n" * n, n) for n in numbers]


def drain(spool: Spool) -> list[SpoolRecord]:
    found: list[SpoolRecord] = []
    while (segment := spool.oldest()) is not None:
        found += spool.read(segment)
        spool.remove(segment)
    return found


def test_records_come_back_in_order_also_from_a_new_process(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=300)
    for start in range(0, 100, 5):
        spool.append(records(range(start, start + 5)))
    spool.close()
    again = Spool(tmp_path, segment_bytes=300)
    again.append(records(range(100, 105)))
    assert again.bytes_of.keys() == {"kunde_ä0", "kunde_ä1", "kunde_ä2"}
    assert drain(again) == records(range(105))
    assert again.bytes_of == Counter()
    again.close()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@settings(max_examples=50, deadline=None)
@given(cut=st.integers(0, 2_000), junk=st.binary(max_size=50))
def test_an_unfinished_end_costs_only_itself(cut: int, junk: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, segment_bytes=10**6)
    spool.append(records(range(20)))
    spool.close()
    (path,) = folder.glob("*.spool")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut] + junk)
    again = Spool(folder, segment_bytes=10**6)
    found = drain(again)
    again.close()
    assert found == records(range(len(found)))
    if cut == 0:
        assert len(found) == 20
        assert again.damaged_bytes == (len(junk) if junk.strip(b"\0") else 0)


def test_what_is_damaged_is_set_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=10**6)
    spool.append(records(range(3)))
    spool.close()
    (path,) = tmp_path.glob("*.spool")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    again = Spool(tmp_path, segment_bytes=10**6)
    assert drain(again) == records(range(2))
    again.close()
    (aside,) = tmp_path.glob("*.damaged")
    assert aside.stat().st_size == again.damaged_bytes > 0


def test_a_folder_belongs_to_one_process(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=1_000)
    with pytest.raises(ConfigurationError, match="folder of its own"):
        Spool(tmp_path, segment_bytes=1_000)
    spool.close()
    Spool(tmp_path, segment_bytes=1_000).close()


def test_a_disk_that_refuses_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, segment_bytes=10**6)
    spool.append(records(range(3)))

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("clickstream_platform.collector.spool.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            spool.append(records(range(3, 6)))
    spool.append(records(range(6, 9)))
    assert drain(spool) == [*records(range(3)), *records(range(6, 9))]
    spool.close()


def test_nothing_that_was_safe_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    safe = -1
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for line in writer.stdout:
            safe = int(line)
            if safe >= 40:
                break
        os.kill(writer.pid, signal.SIGKILL)
        safe = max([safe, *map(int, writer.stdout.read().split())])
        writer.stdout.close()
        writer.wait()
        spool = Spool(tmp_path, 5_000)
        numbers = [record.events for record in drain(spool)]
        spool.close()
        assert numbers[: safe + 1] == list(range(safe + 1))
        assert len(numbers) <= safe + 2  # one may be on disk that nobody was told of


@pytest.mark.parametrize("damage", [b"!", b"\0"])
@pytest.mark.parametrize("is_reopened", [True, False])
def test_damage_costs_no_record_that_comes_after_it(tmp_path: Path, damage: bytes, is_reopened: bool) -> None:
    """A broken block in the middle, found at the start of a process or only when it is read."""
    spool = Spool(tmp_path, segment_bytes=10**6)
    for number in range(10, 15):
        spool.append(records(range(number, number + 1)))
    (path,) = tmp_path.glob("*.spool")
    whole = path.read_bytes()
    (first,) = [record.to_frame() for record in records(range(11, 12))]
    start = whole.index(first)
    path.write_bytes(whole[:start] + damage * len(first) + whole[start + len(first) :])
    if is_reopened:
        spool.close()
        spool = Spool(tmp_path, segment_bytes=10**6)
    assert drain(spool) == [*records(range(10, 11)), *records(range(12, 15))]
    assert spool.damaged_bytes == len(first)
    spool.close()
    assert [path.read_bytes() for path in tmp_path.glob("*.damaged")] == [damage * len(first)]


def test_a_failed_write_that_can_t_be_cut_off_costs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes half a record and then refuses everything; what is appended once it is well again is read."""
    spool = Spool(tmp_path, segment_bytes=10**6)
    spool.append(records(range(3)))
    write, broken = os.write, OSError(5, "Input/output error")

    def half(file: int, data: memoryview) -> int:
        if len(data) < 20:
            raise broken
        return write(file, data[: len(data) // 2])

    def refuse(*_: object) -> None:
        raise broken

    with monkeypatch.context() as patch:
        patch.setattr("clickstream_platform.collector.spool.os.write", half)
        patch.setattr("clickstream_platform.collector.spool.os.truncate", refuse)
        with pytest.raises(OSError, match="Input/output"):
            spool.append(records(range(3, 6)))
    spool.append(records(range(6, 9)))
    spool.close()
    again = Spool(tmp_path, segment_bytes=10**6)
    found = drain(again)
    assert [record for record in found if record not in records(range(3, 6))] == [
        *records(range(3)),
        *records(range(6, 9)),
    ]
    again.close()


def test_a_full_disk_does_not_keep_a_collector_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, segment_bytes=10**6)
    spool.append(records(range(3)))
    spool.close()
    (path,) = tmp_path.glob("*.spool")
    path.write_bytes(path.read_bytes() + b"CSP1 torn")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        again = Spool(tmp_path, segment_bytes=10**6)
        assert drain(again) == records(range(3))
        again.close()
    (aside,) = tmp_path.glob("*.damaged")
    assert aside.read_bytes().endswith(b"CSP1 torn")


def test_a_segment_that_can_t_be_read_lets_others_come_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=1)
    for number in range(3):
        spool.append(records(range(number, number + 1)))
    spool.close()
    first = min(tmp_path.glob("*.spool"))
    whole = first.read_bytes()
    first.unlink()
    first.mkdir()  # reading it is an error
    again = Spool(tmp_path, segment_bytes=1)
    segment = again.oldest()
    assert segment is not None
    with pytest.raises(OSError, match="directory"):
        again.read(segment)
    again.postpone(segment)
    for number in (1, 2):
        other = again.oldest()
        assert other is not None
        assert again.read(other) == records(range(number, number + 1))
        again.remove(other)
    first.rmdir()
    first.write_bytes(whole)
    assert drain(again) == records(range(1))
    again.close()
