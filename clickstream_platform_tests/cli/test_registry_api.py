"""Commands of a home whose registry is elsewhere: what `ingest` and `doctor` do through its API, and without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from clickstream_platform.cli.doctor import doctor_command
from clickstream_platform.cli.ingest import ingest_command
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.clock import FixedClock, SystemClock
from clickstream_platform.model.hours import Hour
from clickstream_platform.registry import RegistryService, open_registry
from clickstream_platform.registry.client.cached import CachedRegistry
from clickstream_platform.registry.client.files import FOLDER, find_folder
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import open_wiring
from clickstream_platform_tests.registry.client.scripted_api import TOKEN, ScriptedApi, serving

PAGE = b'{"type":"page","messageId":"1"}\n'


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedApi]:
    """Give the commands a home and the API of a registry with the customer `acme`."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with (
        open_registry(f"sqlite:///{tmp_path / 'central' / 'registry.db'}", SystemClock()) as service,
        serving(service) as served,
    ):
        service.add_customer("acme")
        monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("CLICKSTREAM_REGISTRY_API_URL", served.url)
        monkeypatch.setenv("CLICKSTREAM_REGISTRY_TOKEN_REFERENCE", f"file:{tmp_path / 'token'}")
        yield served


def run(command: Any, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(arguments))


def findings(exit_code: int = 0) -> dict[str, tuple[str, str]]:
    """Return what the doctor found about the registry, by check."""
    result = run(doctor_command, "--no-dagster", "--json")
    assert result.exit_code == exit_code, result.output
    found = json.loads(result.stdout)["findings"]
    return {each["check"]: (each["status"], each["detail"]) for each in found if each["part"] == "registry"}


def ingest(tmp_path: Path, customer: str) -> Result:
    (tmp_path / "events.ndjson").write_bytes(PAGE)
    return run(ingest_command, str(tmp_path / "events.ndjson"), "--customer", customer)


def test_an_unknown_customer_is_added_through_the_api(tmp_path: Path, api: ScriptedApi) -> None:
    result = ingest(tmp_path, "newcomer")
    assert result.exit_code == 0, result.output
    assert "customer 'newcomer' was unknown and is now in the registry" in result.stderr
    assert api.service.get_customer("newcomer").slug == "newcomer"
    assert not (tmp_path / "home" / "registry.db").exists()


def test_a_token_that_may_not_add_a_customer_is_told_what_to_do(tmp_path: Path, api: ScriptedApi) -> None:
    api.faults = [lambda h: h.answer_snapshot(), lambda h: h.problem(403, "scope loader")]
    result = ingest(tmp_path, "newcomer")
    assert result.exit_code == 1
    assert "adding a customer for 'newcomer': the token may not do this (scope loader)" in result.stderr
    assert "operator to add customers" in result.stderr
    assert not list((tmp_path / "home").glob("objects/raw/**/*.gz"))


def test_a_removed_customer_gets_nothing(tmp_path: Path, api: ScriptedApi) -> None:
    api.service.remove_customer("acme")
    result = ingest(tmp_path, "acme")
    assert result.exit_code == 1
    assert "removed" in result.stderr


def test_a_known_customer_s_file_is_ingested_while_the_registry_is_away(tmp_path: Path, api: ScriptedApi) -> None:
    assert ingest(tmp_path, "acme").exit_code == 0
    api.is_away = True
    assert ingest(tmp_path, "acme").exit_code == 0
    result = ingest(tmp_path, "newcomer")
    assert result.exit_code == 1
    assert "it may be restarting" in result.stderr


def test_the_doctor_asks_the_api_and_says_how_old_the_snapshot_is(tmp_path: Path, api: ScriptedApi) -> None:
    found = findings()
    assert found["API"] == ("ok", api.url)
    assert found["snapshot"] == ("ok", "of the API, confirmed 0 s ago")
    assert found["announcements"] == ("ok", "none wait")
    assert found["database"][0] == "skipped"
    assert found["content"][1] == "1 customers, 0 events, 1 destinations"


def test_the_doctor_warns_of_an_api_that_is_away_and_of_what_waits(tmp_path: Path, api: ScriptedApi) -> None:
    with open_wiring(clock=FixedClock(SystemClock().now() - timedelta(hours=1))) as wiring:
        wiring.registry.snapshot()
        api.is_away = True
        wiring.registry.record_seen("acme", Hour.of(wiring.clock.now()), {"sale": ("Sale", 1)})
    found = findings()
    assert found["API"][0] == "warn"
    assert api.url in found["API"][1]
    assert found["snapshot"][0] == "warn"
    assert found["snapshot"][1].startswith("on disk, confirmed 3,60")
    assert found["announcements"] == ("warn", "1 wait in the outbox")
    assert found["content"][0] == "ok"


def test_the_doctor_fails_where_there_is_nothing_to_go_on_with(api: ScriptedApi) -> None:
    api.is_away = True
    found = findings(exit_code=1)
    assert found["API"][0] == "fail"
    assert "no snapshot was kept" in found["API"][1]


def test_the_doctor_names_a_setting_that_cannot_be_used(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_REGISTRY_TOKEN_REFERENCE", "")
    found = findings(exit_code=1)
    assert found["API"][0] == "fail"
    assert "CLICKSTREAM_REGISTRY_TOKEN_REFERENCE is not set" in found["API"][1]


def test_the_registry_is_its_database_unless_an_api_is_set(
    tmp_path: Path, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_wiring() as wiring:
        assert isinstance(wiring.registry, CachedRegistry)
    monkeypatch.delenv("CLICKSTREAM_REGISTRY_API_URL")
    with open_wiring() as wiring:
        assert isinstance(wiring.registry, RegistryService)
        assert wiring.registry is wiring.registry_service
        assert wiring.registry.describe_age() == "the registry's database answers"


def test_an_address_that_cannot_be_used_is_refused(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_REGISTRY_API_URL", "registry:8400")
    with open_wiring() as wiring, pytest.raises(ConfigurationError, match="CLICKSTREAM_REGISTRY_API_URL"):
        _ = wiring.registry


def test_the_snapshot_is_kept_in_the_home_or_else_in_the_work_folder(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the home should be")
    work = tmp_path / "work"
    assert find_folder(Settings(home=tmp_path / "home", work_dir=str(work))) == tmp_path / "home" / FOLDER
    assert find_folder(Settings(home=blocked, work_dir=str(work))) == work / FOLDER
    assert find_folder(Settings(home=blocked)) is None
    assert (tmp_path / "home" / FOLDER).stat().st_mode & 0o777 == 0o700
