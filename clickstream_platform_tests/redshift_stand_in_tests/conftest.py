"""One stand-in for all tests, a database and a bucket for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_stand_in_tests.client import Client, Parts, connect


@pytest.fixture(scope="session")
def own_database(running_stand_in: RedshiftStandIn) -> str:
    """Return a database for one test after the other."""
    return running_stand_in.create_database()


@pytest.fixture
def database(stand_in: RedshiftStandIn, own_database: str) -> Iterator[str]:
    """Return an empty database."""
    yield own_database
    stand_in.empty_database(own_database)


@pytest.fixture
def open_client(stand_in: RedshiftStandIn, database: str) -> Iterator[Callable[[], Client]]:
    """Return what opens sessions on the test's database; they are closed at its end."""
    opened: list[Client] = []

    def open_one() -> Client:
        opened.append(Client(connect(stand_in, database)))
        return opened[-1]

    yield open_one
    for client in opened:
        client.close()


@pytest.fixture
def client(open_client: Callable[[], Client]) -> Client:
    """Return a session in which every statement commits by itself."""
    return open_client()


@pytest.fixture
def parts(s3_endpoint: str, s3_bucket: str, stand_in: RedshiftStandIn) -> Parts:
    """Return what writes Parquet objects and manifests into a bucket of the test's own."""
    return Parts(s3_endpoint, s3_bucket, stand_in.iam_role)
