"""The doctor's look at Dagster."""

from __future__ import annotations

from pathlib import Path

from clickstream_platform.defs.doctor import check_dagster
from clickstream_platform.defs.driver import prepare_home
from clickstream_platform.doctor.findings import Status


def test_a_home_that_is_not_there_is_nothing_to_check(tmp_path: Path) -> None:
    for home in (None, tmp_path):
        (found,) = check_dagster(home)
        assert (found.check, found.status) == ("instance", Status.SKIPPED)


def test_an_instance_without_a_daemon_is_worth_a_warning(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "dagster")
    instance, daemon = check_dagster(home)
    assert (instance.status, daemon.status) == (Status.OK, Status.WARN)
    assert "0 runs" in instance.detail
    assert "clickstream dev" in daemon.remedy


def test_an_instance_that_does_not_open_fails(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("storage: {postgres: 5}\n")
    (found,) = check_dagster(tmp_path)
    assert found.status is Status.FAIL
    assert "dagster.yaml" in found.remedy
