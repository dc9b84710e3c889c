"""Platforms for acceptance tests: in a folder, or with their objects on S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from clickstream_platform_tests.acceptance.driver import Platform


@pytest.fixture(scope="module")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Platform]]:
    """Return a function that makes platforms, each in a folder of its own; they close behind the module's tests."""
    with ExitStack() as stack:

        def make() -> Platform:
            platform = Platform(tmp_path_factory.mktemp("platform"))
            stack.enter_context(platform.pipeline.wiring)
            return platform

        yield make


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """Return a platform in a folder."""
    yield from _opened(Platform(tmp_path))


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
