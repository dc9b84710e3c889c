"""The doctor's look at Dagster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from clickstream_platform.defs.doctor import check_dagster, check_names
from clickstream_platform.defs.driver import prepare_home
from clickstream_platform.doctor.findings import Status
from clickstream_platform.registry.entities import Customer, Policy, Snapshot
from clickstream_platform.registry.refusals import RegistryUnavailableError
from clickstream_platform_tests.defs.stand_ins import CLASHING

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


def snapshot_of(*slugs: str) -> Snapshot:
    """Return a registry with these customers, the first one the youngest."""
    customers = tuple(
        Customer(slug, slug, Policy(), "default", False, NOW - timedelta(days=number))
        for number, slug in enumerate(slugs)
    )
    return Snapshot(customers, (), (), "", NOW)


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


def test_customers_with_names_of_their_own_are_fine() -> None:
    found = check_names(lambda: snapshot_of("acme", "café", "注文"))
    assert (found.check, found.status) == ("names", Status.OK)


def test_a_customer_without_a_name_of_its_own_is_named_with_the_one_who_has_it() -> None:
    older, younger = CLASHING
    found = check_names(lambda: snapshot_of(younger, "acme", older))
    assert found.status is Status.FAIL
    assert found.detail.startswith(f"{younger}: has no assets and is not loaded, because the older customer {older!r}")
    assert "acme" not in found.detail
    assert "another slug" in found.remedy


def test_a_registry_that_is_away_is_a_finding_too() -> None:
    def away() -> Snapshot:
        raise RegistryUnavailableError("asking the registry", cause="it is away", remedy="Start it.")

    found = check_names(away)
    assert (found.check, found.status, found.remedy) == ("names", Status.FAIL, "Start it.")
