"""Files of generated events: complete or absent, the same bytes each time."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.generate import GeneratorSettings, generate_hour, write_hours

SETTINGS = GeneratorSettings("acme", datetime(2026, 1, 5, 23, tzinfo=UTC), hours=2, events_per_hour=500, streams=30)


def text_of(settings: GeneratorSettings, hour_index: int) -> bytes:
    """Return an hour as NDJSON."""
    return b"".join(each.line + b"\n" for each in generate_hour(settings, hour_index))


def test_one_file_holds_all_hours(tmp_path: Path) -> None:
    target, told = tmp_path / "new" / "all.ndjson", list[int]()
    (written,) = write_hours(SETTINGS, str(target), on_lines=told.append)
    assert target.read_bytes() == text_of(SETTINGS, 0) + text_of(SETTINGS, 1)
    assert (written.path, written.hours, written.lines, sum(told)) == (str(target), 2, 1_000, 1_000)
    assert written.bytes == target.stat().st_size


def test_a_gzip_file_per_hour_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = (write_hours(SETTINGS, str(tmp_path / name), is_per_hour=True) for name in ("a", "b"))
    assert [Path(each.path).name for each in first] == ["acme-2026-01-05T23.ndjson.gz", "acme-2026-01-06T00.ndjson.gz"]
    for index, (one, other) in enumerate(zip(first, second, strict=True)):
        assert Path(one.path).read_bytes() == Path(other.path).read_bytes()
        assert gzip.decompress(Path(one.path).read_bytes()) == text_of(SETTINGS, index)


def test_hours_without_events_give_a_readable_file(tmp_path: Path) -> None:
    (written,) = write_hours(replace(SETTINGS, events_per_hour=0), str(tmp_path / "none.ndjson.gz"))
    assert gzip.decompress(Path(written.path).read_bytes()) == b""


def test_a_failure_leaves_no_file_behind(tmp_path: Path) -> None:
    target = tmp_path / "all.ndjson"

    def fail(_lines: int) -> None:
        raise OSError("no space left on device")

    with pytest.raises(ConfigurationError, match="for acme: no space left on device"):
        write_hours(SETTINGS, str(target), on_lines=fail)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(json.dumps("in the way"))
    with pytest.raises(ConfigurationError, match=r"writing events to .*file"):
        write_hours(SETTINGS, str(tmp_path / "file" / "all.ndjson"))


def test_standard_output_has_no_hours_to_split(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--per-hour needs a folder"):
        write_hours(SETTINGS, "-", is_per_hour=True)
    assert list(tmp_path.iterdir()) == []
