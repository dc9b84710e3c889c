"""What goes on while pods come and go: hooks of an upgrade, pods of the collector that leave, and their spool."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.ref import InstanceRef
from dagster_postgres import DagsterPostgresStorage

from clickstream_platform.settings import load_settings
from clickstream_platform_tests.deploy.helm.charts import (
    VALUES,
    Manifest,
    is_hook,
    named,
    of_kind,
    pods,
    refusal,
    render,
    template,
)

PERSISTENT = "collector.spool.persistent=true"


def hooks() -> list[Manifest]:
    """Return what helm makes before an upgrade."""
    return [
        each
        for each in render(VALUES[1])
        if (each["metadata"].get("annotations") or {}).get("helm.sh/hook") == "pre-upgrade"
    ]


def test_hooks_take_nothing_of_the_release_that_is_there() -> None:
    # The new version may not know a setting of the old one, and stops at what it doesn't know.
    made = {each["metadata"]["name"] for each in hooks() if each["kind"] == "ConfigMap"}
    for name, spec in pods(hooks()).items():
        volumes = {volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume}
        variables = {each["configMapRef"]["name"] for each in spec["containers"][0].get("envFrom", [])}
        assert volumes | variables <= made, name


def test_hooks_get_the_settings_that_are_to_come() -> None:
    settings = named(render(VALUES[1]), "ConfigMap", "clickstream-settings")["data"]
    for spec in pods(hooks()).values():
        given = {each["name"]: each["value"] for each in spec["containers"][0]["env"] if "value" in each}
        assert settings.items() <= given.items()
        load_settings({name: value for name, value in given.items() if name.startswith("CLICKSTREAM_")})


def test_the_configuration_of_a_hook_comes_before_its_job() -> None:
    weights = {each["kind"]: int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in hooks()}
    assert weights["ConfigMap"] < weights["Job"]


@pytest.mark.parametrize("values", VALUES)
def test_the_migration_knows_dagsters_database(values: str, tmp_path: Path) -> None:
    manifests = render(values)
    text = named(manifests, "ConfigMap", "dagster-migrate")["data"]["dagster.yaml"]
    (tmp_path / "dagster.yaml").write_text(text, encoding="utf-8")
    instance = yaml.safe_load(named(manifests, "ConfigMap", "platform-dagster-instance")["data"]["dagster.yaml"])
    database = yaml.safe_load(text)["storage"]["postgres"]["postgres_db"]
    assert database == instance["run_storage"]["config"]["postgres_db"]
    storage = InstanceRef.from_dir(str(tmp_path)).storage_data
    assert storage is not None
    assert storage.class_name == "DagsterPostgresStorage"
    with patch.dict(os.environ, {"DAGSTER_PG_PASSWORD": "x"}):
        checked = process_config(resolve_to_config_type(DagsterPostgresStorage.config_type()), storage.config_dict)
    assert checked.success, checked.errors


def prestop(*sets: str) -> str:
    """Return the script that a collector's pod runs before it is told to end."""
    command: list[str] = pods(render(sets=sets))["Deployment/collector"]["containers"][0]["lifecycle"]["preStop"][
        "exec"
    ]["command"]
    assert command[:2] == ["sh", "-c"]
    return command[2]


def run_prestop(folder: Path, seconds: int, after: str = "") -> subprocess.CompletedProcess[str]:
    """Run that script on a spool's folder; `after` is done beside it."""
    script = prestop("collector.drainSeconds=0", f"collector.spool.drainSeconds={seconds}")
    return subprocess.run(
        ["sh", "-c", f"{after}\n{script}".replace("/var/lib/spool", str(folder))],
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_a_collector_that_leaves_waits_for_its_spool(tmp_path: Path) -> None:
    segment = tmp_path / "0000000000000001.spool"
    segment.touch()
    (tmp_path / "0000000000000000.spool.refused").touch()  # is never sent, and is no reason to wait
    done = run_prestop(tmp_path, seconds=15, after=f"(sleep 1; rm {segment}) &")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not segment.exists(), "it did not wait"


def test_a_collector_that_leaves_does_not_wait_for_ever(tmp_path: Path) -> None:
    (tmp_path / "0000000000000001.spool").touch()
    assert run_prestop(tmp_path, seconds=1).returncode == 0


@pytest.mark.parametrize("sets", [(), (PERSISTENT,)])
def test_a_collector_has_its_time_to_end_after_the_drain(sets: tuple[str, ...]) -> None:
    given = ("collector.drainSeconds=7", "collector.spool.drainSeconds=90")
    found = pods(render(sets=(*sets, *given)))
    spec = found.get("Deployment/collector") or found["StatefulSet/collector"]
    assert spec["terminationGracePeriodSeconds"] == 7 + 90 + 45


def test_collectors_are_taken_away_one_by_one() -> None:
    # Each has a spool: who takes ten at once leaves ten spools behind.
    behavior = named(render(VALUES[1]), "HorizontalPodAutoscaler", "collector")["spec"]["behavior"]
    assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]


@pytest.mark.parametrize(
    "sets",
    [
        ("settings.CLICKSTREAM_COLLECTOR_SPOOL_MB=3000",),  # the limit of values-minimal.yaml is 2500 Mi
        ("collector.resources.limits.ephemeral-storage=1Gi",),
        (PERSISTENT, "collector.spool.size=1Gi"),
        (PERSISTENT, "settings.CLICKSTREAM_COLLECTOR_SPOOL_MB=4000"),
    ],
)
def test_a_spool_that_has_no_room_is_refused(sets: tuple[str, ...]) -> None:
    # The kubelet would throw the pod out in the middle of the outage that the spool is for.
    assert "CLICKSTREAM_COLLECTOR_SPOOL_MB" in refusal(*sets)


@pytest.mark.parametrize("size", ["3Gi", "3000Mi", "1Ti", "3G", "3221225472"])
def test_a_spool_that_has_room_is_taken(size: str) -> None:
    done = template(sets=(PERSISTENT, f"collector.spool.size={size}"))
    assert done.returncode == 0, done.stderr


def test_the_code_server_rolls_in_production() -> None:
    # A volume is one pod's at a time and one zone's: the old pod would go first, and a lost zone keep the new one away.
    manifests = render(VALUES[1])
    for name in ("code-server", "registry"):
        strategy: dict[str, Any] = named(manifests, "Deployment", name)["spec"]["strategy"]
        assert strategy["rollingUpdate"]["maxUnavailable"] == 0, name
    assert of_kind(manifests, "PersistentVolumeClaim") == []


def test_everything_but_hooks_stays() -> None:
    assert {each["kind"] for each in render(VALUES[1]) if is_hook(each)} == {"Job", "ConfigMap", "Pod"}
