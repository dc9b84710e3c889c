"""The cluster, the servers beside it and the release: one of each for all tests; and what they measured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_platform_tests.kubernetes.backing import Backing, running_backing
from clickstream_platform_tests.kubernetes.cluster import Cluster, given_cluster
from clickstream_platform_tests.kubernetes.installing import image_parts, installed
from clickstream_platform_tests.kubernetes.release import Release

NAMESPACE = "clickstream-test"
REPORT = "CLICKSTREAM_TEST_REPORT"


class Report:
    """Times and sizes that the tests measured, as rows of a table; printed, and written where REPORT names a file."""

    def add(self, what: str, value: str) -> None:
        """Note one."""
        line = f"| {what} | {value} |"
        print(line)
        if os.environ.get(REPORT):
            with Path(os.environ[REPORT]).open("a", encoding="utf-8") as file:
                file.write(line + "\n")


@pytest.fixture(scope="session")
def report() -> Report:
    """Return what notes measurements."""
    return Report()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Return the cluster of KUBECONFIG, with a namespace for the tests."""
    with given_cluster(NAMESPACE) as found:
        yield found


@pytest.fixture(scope="session")
def backing(cluster: Cluster) -> Iterator[Backing]:
    """Return the servers that the platform stands on."""
    image_parts()
    with running_backing() as running:
        yield running


@pytest.fixture(scope="session")
def release(
    cluster: Cluster, backing: Backing, tmp_path_factory: pytest.TempPathFactory, report: Report
) -> Iterator[Release]:
    """Return the platform, installed and ready."""
    with installed(cluster, backing, tmp_path_factory.mktemp("release")) as found:
        report.add(
            "`helm install --wait`, with the first token, customer and write key", f"{found.installed_seconds:.0f} s"
        )
        yield found
