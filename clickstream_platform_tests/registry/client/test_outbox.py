"""Announcements that wait: their order, their limits, several processes, and disks that refuse."""

from __future__ import annotations

import logging
import multiprocessing
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.registry.client import outbox as module
from clickstream_platform.registry.client.outbox import Announcement, Outbox
from clickstream_platform.registry.refusals import RegistryUnavailableError
from clickstream_platform_tests.registry.client.conftest import NOW

TEXT = st.text(max_size=30)
ANNOUNCEMENTS = st.builds(
    Announcement,
    *(TEXT, TEXT, st.dictionaries(TEXT, st.tuples(TEXT, st.integers(0)), max_size=3)),
    st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT | st.integers() | st.none(), max_size=3), max_size=2),
)


def announcement(number: int) -> Announcement:
    return Announcement("acme", f"2026-11-22T{number:02}", {"sale": ("Sale", number)})


def delivered(outbox: Outbox) -> list[str]:
    """Deliver everything; return the hours."""
    hours: list[str] = []
    outbox.deliver(lambda each: hours.append(each.hour[-2:]), lambda: True)
    return hours


@given(ANNOUNCEMENTS)
def test_an_announcement_survives_being_written(each: Announcement) -> None:
    assert Announcement.from_json(each.to_json()) == each


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"customer":"a","hour":"h","seen":{"a":1},"samples":{}}'])
def test_what_is_no_announcement_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Announcement.from_json(data)


def test_announcements_outlive_their_process_and_are_delivered_once_in_their_order(tmp_path: Path) -> None:
    for number in (3, 1, 2):
        assert Outbox(tmp_path).put(announcement(number), NOW, has_new_events=True)
    Outbox(tmp_path).put(announcement(4), NOW - timedelta(seconds=1), has_new_events=True)
    assert len(Outbox(tmp_path).waiting()) == 4
    assert delivered(Outbox(tmp_path)) == ["04", "03", "01", "02"]
    assert delivered(Outbox(tmp_path)) == []
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == [".lock"]


def test_files_are_private(tmp_path: Path) -> None:
    Outbox(tmp_path).put(announcement(1), NOW, has_new_events=True)
    (path,) = (tmp_path / "outbox").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_delivery_that_fails_keeps_that_announcement_and_all_behind_it(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    sent: list[Announcement] = []
    for number in range(3):
        outbox.put(announcement(number), NOW, has_new_events=True)

    def send(each: Announcement) -> None:
        if sent:
            raise RegistryUnavailableError("announcing", cause="away", remedy="Wait.")
        sent.append(each)

    with pytest.raises(RegistryUnavailableError):
        outbox.deliver(send, lambda: True)
    assert delivered(outbox) == ["01", "02"]


def test_a_delivery_ends_when_its_time_is_up(tmp_path: Path) -> None:
    outbox, turns = Outbox(tmp_path), iter([True, True, False])
    for number in range(3):
        outbox.put(announcement(number), NOW, has_new_events=True)
    assert outbox.deliver(lambda _: None, lambda: next(turns)) == 2
    assert len(outbox.waiting()) == 1


def test_room_is_limited_and_half_of_it_is_for_new_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 4)
    monkeypatch.setattr(module, "MAX_WAITING_OF_KNOWN", 2)
    outbox = Outbox(tmp_path)
    kept = [
        outbox.put(announcement(n), NOW, has_new_events=has_new) for n, has_new in enumerate([False] * 3 + [True] * 3)
    ]
    assert kept == [True, True, False, True, True, False]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert delivered(outbox) == ["00", "01", "03", "04"]


def test_samples_that_are_too_long_are_left_out(tmp_path: Path) -> None:
    long = Announcement("acme", "2026-11-22T09", {"sale": ("Sale", 1)}, {"sale": {"text": "x" * module.MAX_BYTES}})
    found: list[Announcement] = []
    Outbox(tmp_path).put(long, NOW, has_new_events=True)
    Outbox(tmp_path).deliver(found.append, lambda: True)
    assert found == [Announcement(long.customer, long.hour, long.seen)]


def test_a_damaged_announcement_holds_nobody_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(tmp_path)
    for number in range(2):
        outbox.put(announcement(number), NOW, has_new_events=True)
    (tmp_path / "outbox" / outbox.waiting()[0]).write_bytes(b"\0\0\0")
    assert delivered(outbox) == ["01"]
    assert "can't be read and is dropped" in caplog.text
    assert outbox.waiting() == []


@pytest.mark.parametrize("folder", ["none", "a file", "full"])
def test_a_disk_that_refuses_is_a_warning(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if folder == "a file":
        (tmp_path / "outbox").write_text("in the way")
    if folder == "full":
        monkeypatch.setattr(module, "write_private", refuse)
    outbox = Outbox(None if folder == "none" else tmp_path)
    assert not outbox.put(announcement(1), NOW, has_new_events=True)
    assert "is not announced" in caplog.text
    assert delivered(outbox) == []
    assert outbox.waiting() == []


def put_many(folder: Path, process: int, count: int) -> None:
    """Announce from another process."""
    for number in range(count):
        Outbox(folder).put(Announcement(f"c{process}", f"{number:03}", {}), NOW, has_new_events=True)


def test_several_processes_write_while_one_delivers(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=put_many, args=(tmp_path, process, 20)) for process in range(2)]
    for writer in writers:
        writer.start()
    found: list[tuple[str, str]] = []
    while any(writer.is_alive() for writer in writers) or Outbox(tmp_path).waiting():
        Outbox(tmp_path).deliver(lambda each: found.append((each.customer, each.hour)), lambda: True)
    for writer in writers:
        writer.join()
    for process in range(2):
        assert [hour for customer, hour in found if customer == f"c{process}"] == [f"{n:03}" for n in range(20)]


def test_one_delivers_at_a_time(tmp_path: Path) -> None:
    outbox, inner = Outbox(tmp_path), []
    outbox.put(announcement(1), NOW, has_new_events=True)
    assert outbox.deliver(lambda _: inner.append(delivered(Outbox(tmp_path))), lambda: True) == 1
    assert inner == [[]]
