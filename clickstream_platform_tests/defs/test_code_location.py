"""The code location as Dagster's processes load it, and the files that configure those processes."""

from __future__ import annotations

import socket
import tomllib
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.reconstruct import (
    initialize_repository_def_from_pointer,
    reconstruct_repository_def_from_pointer,
)
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin
from dagster._core.workspace.load_target import WorkspaceFileTarget

from clickstream_platform.defs.run_queue import PlatformRunCoordinator
from clickstream_platform.defs.tags import BACKFILL_TAG, CUSTOMER_TAG, IS_BACKFILL
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring, open_wiring

PROJECT = Path(__file__).parents[2]
POINTER = ModuleCodePointer("clickstream_platform.definitions", "defs")


def test_a_run_worker_sees_what_the_code_server_saw_and_never_asks_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    with open_wiring() as wiring:
        wiring.registry.add_customer("acme")
    served = initialize_repository_def_from_pointer(POINTER)
    monkeypatch.setenv("CLICKSTREAM_REGISTRY_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("CLICKSTREAM_PARTITIONS_START", "2025-01-01T00")
    monkeypatch.setattr(Wiring, "registry", property(_fail_to_ask))
    monkeypatch.setattr(Wiring, "registry_service", property(_fail_to_ask))
    worker = reconstruct_repository_def_from_pointer(POINTER, served.repository_load_data)
    assert set(worker.asset_graph.get_all_asset_keys()) == {
        dg.AssetKey(["acme", step]) for step in ("raw_batches", "staged_batches", "event_tables")
    }
    key = dg.AssetKey(["acme", "raw_batches"])
    assert worker.asset_graph.get(key).partitions_def == served.asset_graph.get(key).partitions_def


def _fail_to_ask(_: Wiring) -> None:
    raise AssertionError("the registry was asked")


def test_a_run_worker_makes_no_connection_to_the_registrys_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    served = initialize_repository_def_from_pointer(POINTER)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        monkeypatch.setenv("CLICKSTREAM_REGISTRY_API_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("CLICKSTREAM_REGISTRY_TOKEN_REFERENCE", "file:/nowhere")
        worker = reconstruct_repository_def_from_pointer(POINTER, served.repository_load_data)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert {sensor.name for sensor in worker.sensor_defs} == {"hours", "registry", "freshness", "unusual"}


def test_definitions_load_without_a_registry_that_was_never_reached_and_the_sensor_makes_up_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("CLICKSTREAM_REGISTRY_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CLICKSTREAM_REGISTRY_TOKEN_REFERENCE", "env:LOADER_TOKEN")
    monkeypatch.setenv("LOADER_TOKEN", "cst_any")
    served = initialize_repository_def_from_pointer(POINTER)
    assert not served.asset_graph.get_all_asset_keys()
    assert {sensor.name for sensor in served.sensor_defs} == {"hours", "registry", "freshness", "unusual"}


def test_the_location_has_one_name_everywhere() -> None:
    (origin,) = WorkspaceFileTarget([str(PROJECT / "workspace.yaml")]).create_origins()
    assert isinstance(origin, ManagedGrpcPythonEnvCodeLocationOrigin)
    assert origin.location_name == Settings().code_location
    assert origin.loadable_target_origin.module_name == "clickstream_platform.definitions"
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    assert project["code_location_name"] == Settings().code_location


def test_dagster_takes_its_settings(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_bytes((PROJECT / "dagster.yaml").read_bytes())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        runs = instance.get_concurrency_config().run_queue_config
        assert runs is not None
        assert runs.max_concurrent_runs == 2
        customers, backfills = runs.tag_concurrency_limits
        assert customers == {"key": CUSTOMER_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
        assert backfills == {"key": BACKFILL_TAG, "value": IS_BACKFILL, "limit": 1}, "a place is left to hours"
        assert isinstance(instance.run_coordinator, PlatformRunCoordinator)
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
