"""dagster.yaml as the chart makes it: Dagster itself loads it, and it says what the repository's says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.definitions.run_request import InstigatorType
from dagster_k8s import K8sRunLauncher
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage

from clickstream_platform.defs.run_queue import PlatformRunCoordinator
from clickstream_platform.gateways.dagster_tables import DagsterStorageError, read_daemon
from clickstream_platform_tests.deploy.helm.charts import (
    KUBERNETES,
    VALUES,
    named,
    refusal,
    render,
    uses_official_chart,
)
from clickstream_platform_tests.shared_data import REPOSITORY

STORAGES: dict[str, Any] = {
    "run_storage": PostgresRunStorage,
    "event_log_storage": PostgresEventLogStorage,
    "schedule_storage": PostgresScheduleStorage,
}
INSTANCE = "platform-dagster-instance"


def dagster_yaml(values: str) -> dict[str, Any]:
    return dict(yaml.safe_load(named(render(values), "ConfigMap", INSTANCE)["data"]["dagster.yaml"]))


@pytest.fixture(params=VALUES)
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Return the instance of the chart's dagster.yaml, all but its storages: those would be a PostgreSQL."""
    config = {name: part for name, part in dagster_yaml(request.param).items() if name not in STORAGES}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with (
        patch.dict(os.environ, {"DAGSTER_PG_PASSWORD": "x"}),
        patch("kubernetes.config.load_incluster_config"),
        dg.DagsterInstance.from_config(str(tmp_path)) as instance,
    ):
        yield instance


def test_dagster_loads_it(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.run_launcher, K8sRunLauncher)
    assert isinstance(instance.run_coordinator, PlatformRunCoordinator)
    assert instance.run_launcher.job_namespace == "clickstream"
    assert instance.run_launcher.instance_config_map == INSTANCE
    assert instance.run_monitoring_enabled
    assert instance.run_retries_enabled
    assert instance.run_retries_max_retries == 5
    assert instance.get_concurrency_config().run_queue_config
    kept = {status.value: days for status, days in instance.get_tick_retention_settings(InstigatorType.SENSOR).items()}
    assert kept == {"SKIPPED": 3, "FAILURE": 30, "SUCCESS": 30, "STARTED": -1}
    assert not instance.telemetry_enabled
    assert [type(handler).__name__ for handler in instance.get_handlers()].count("RunLogHandler") == 1


def test_limits_are_what_the_values_say(instance: dg.DagsterInstance) -> None:
    config = instance.get_concurrency_config().run_queue_config
    assert config is not None
    limits = {each["key"]: each for each in config.tag_concurrency_limits}
    assert limits["clickstream/customer"]["limit"] == 1
    # Back-fills leave places to hours.
    assert 0 < limits["clickstream/backfill"]["limit"] < config.max_concurrent_runs
    assert config.max_user_code_failure_retries == 10


@pytest.mark.parametrize("name", STORAGES)
def test_storages_are_postgresql(name: str) -> None:
    section = dagster_yaml(VALUES[1])[name]
    assert section["class"] == STORAGES[name].__name__
    given = section["config"]
    with patch.dict(os.environ, {"DAGSTER_PG_PASSWORD": "x"}):
        checked = process_config(resolve_to_config_type(STORAGES[name].config_type()), given)
    assert checked.success, checked.errors
    assert checked.value is not None
    assert checked.value["postgres_db"]["params"] == {"sslmode": "require"}
    assert given["postgres_db"]["password"] == {"env": "DAGSTER_PG_PASSWORD"}


def test_the_daemons_probe_reads_it(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(dagster_yaml(VALUES[0])), encoding="utf-8")
    # It asks that PostgreSQL, which is not here; with a storage that it doesn't know it would not ask.
    with pytest.raises(DagsterStorageError, match="database for PostgreSQL"):
        read_daemon(tmp_path, {"DAGSTER_PG_PASSWORD": "x"})


def test_it_says_what_the_repositorys_says() -> None:
    ours = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"))
    chart = dagster_yaml("values-minimal.yaml")
    # Kubernetes has another launcher and more places (how many: the values' matter); pods wait for nodes and lose them.
    for config in (ours, chart):
        config.pop("run_launcher")
        assert config["run_monitoring"].pop("start_timeout_seconds") in (300, 1800)
        assert config["run_retries"].pop("max_retries") in (2, 5)
        runs = config["concurrency"]["runs"]
        assert isinstance(runs.pop("max_concurrent_runs"), int)
        for limit in runs["tag_concurrency_limits"]:
            if limit["key"] == "clickstream/backfill":
                limit.pop("limit")
    assert {name: chart[name] for name in ours} == ours
    more = {*STORAGES, "scheduler", "compute_logs"}
    assert set(chart) - set(ours) <= more


class OnceLoader(yaml.SafeLoader):
    """Refuses a name that stands twice in a mapping, of which Dagster would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
        return super().construct_mapping(node, deep)


def once(values: str, *sets: str) -> None:
    yaml.load(named(render(values, sets=sets), "ConfigMap", INSTANCE)["data"]["dagster.yaml"], OnceLoader)


@pytest.mark.parametrize("values", VALUES)
def test_nothing_is_said_twice(values: str) -> None:
    # Once by the dagster chart's own values, and once by what is added.
    once(values)
    with pytest.raises(AssertionError, match="run_retries"):
        once(values, "dagster.dagsterDaemon.runRetries.enabled=true")


def test_webserver_and_daemon_find_the_code_server() -> None:
    manifests = render()
    workspace = yaml.safe_load(
        named(manifests, "ConfigMap", "platform-dagster-workspace-yaml")["data"]["workspace.yaml"]
    )
    server = workspace["load_from"][0]["grpc_server"]
    service = named(manifests, "Service", server["host"])
    assert server["port"] in {port["port"] for port in service["spec"]["ports"]}
    local = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text(encoding="utf-8"))
    assert server["location_name"] == local["load_from"][0]["python_module"]["location_name"]


def test_the_code_server_reads_the_same_instance() -> None:
    for kubernetes in KUBERNETES:
        spec = named(render(VALUES[0], kubernetes), "Deployment", "code-server")["spec"]["template"]["spec"]
        sources = [volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume]
        assert sources == [INSTANCE]


@pytest.mark.skipif(uses_official_chart(), reason="the official chart's own schema judges the values")
def test_the_stand_in_refuses_what_the_official_chart_would() -> None:
    # Names that the official chart's schema doesn't have where it forbids others; seen in its source.
    for wrong in ("dagsterWebserver.replicas=2", "dagsterDaemon.replicaCount=2", "dagsterWebserver.service.nodePort=1"):
        assert "not allowed" in refusal(f"dagster.{wrong}"), wrong
