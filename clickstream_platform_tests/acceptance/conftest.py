"""Platforms for acceptance tests: in a folder, or with their objects on S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_platform_tests.acceptance.driver import Platform


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Return a platform in a folder, shared by the tests of a module: each of them has customers of its own."""
    yield from _opened(Platform(tmp_path_factory.mktemp("platform")))


@pytest.fixture(params=["folder", "s3"])
def any_platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    """Return a platform of each kind of object store."""
    if request.param == "s3":
        bucket, endpoint = request.getfixturevalue("s3_bucket"), request.getfixturevalue("s3_endpoint")
        yield from _opened(Platform(tmp_path, f"s3://{bucket}/prefix", endpoint))
    else:
        yield from _opened(Platform(tmp_path))


def _opened(platform: Platform) -> Iterator[Platform]:
    with platform.pipeline.wiring:
        yield platform
