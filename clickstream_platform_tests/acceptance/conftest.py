"""Platforms for acceptance tests: in a folder, with their objects on S3, or with their tables in Redshift.

CLICKSTREAM_TEST_WAREHOUSE=redshift has the whole suite load into the Redshift stand-in, all objects on S3; the default
is `duckdb`. What both must have in common is in `test_both_warehouses`, always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clickstream_platform_tests.acceptance.driver import WAREHOUSE, WAREHOUSE_VARIABLE, Platform

if TYPE_CHECKING:
    from clickstream_platform_tests.acceptance.redshift import RedshiftSite
    from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn

if WAREHOUSE not in ("duckdb", "redshift"):
    raise pytest.UsageError(f"{WAREHOUSE_VARIABLE} is {WAREHOUSE!r}: say duckdb or redshift")

Opened = AbstractContextManager[Platform]


@pytest.fixture(scope="session")
def redshift_site(running_stand_in: RedshiftStandIn, s3_endpoint: str) -> RedshiftSite:
    """Return the stand-in as a place for platforms."""
    # Imported only here: on DuckDB alone nobody needs it.
    from clickstream_platform_tests.acceptance.redshift import RedshiftSite

    return RedshiftSite(running_stand_in, s3_endpoint)


@pytest.fixture(scope="session")
def opened(request: pytest.FixtureRequest) -> Callable[[Path], Opened]:
    """Return a function that opens a platform in a folder, with the warehouse that is asked for."""
    if WAREHOUSE == "redshift":
        site: RedshiftSite = request.getfixturevalue("redshift_site")
        return site.platform
    return lambda home: closing(Platform(home))


@pytest.fixture(scope="module")
def platforms(
    opened: Callable[[Path], Opened], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Platform]]:
    """Return a function that makes platforms, each in a folder of its own; they close behind the module's tests."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(opened(tmp_path_factory.mktemp("platform")))


@pytest.fixture(scope="module")
def shared(platforms: Callable[[], Platform]) -> Platform:
    """Return one platform for the module; whatever is loaded there has a customer of its own."""
    return platforms()


@pytest.fixture
def platform(opened: Callable[[Path], Opened], tmp_path: Path) -> Iterator[Platform]:
    """Return a platform."""
    with opened(tmp_path) as platform:
        yield platform


# Redshift reads from S3 only.
@pytest.fixture(params=["s3"] if WAREHOUSE == "redshift" else ["folder", "s3"])
def any_platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    """Return a platform of each kind of object store; on S3 below a prefix."""
    if WAREHOUSE == "redshift":
        site: RedshiftSite = request.getfixturevalue("redshift_site")
        opened: Opened = site.platform(tmp_path, "/prefix")
    elif request.param == "s3":
        bucket, endpoint = request.getfixturevalue("s3_bucket"), request.getfixturevalue("s3_endpoint")
        opened = closing(Platform(tmp_path, f"s3://{bucket}/prefix", endpoint))
    else:
        opened = closing(Platform(tmp_path))
    with opened as platform:
        yield platform
