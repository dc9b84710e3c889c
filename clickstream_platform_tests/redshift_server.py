"""The Redshift stand-in as a fixture: started once in a test process, for whoever needs a Redshift.

One for all, because OpenSSL's variable names one file of certificates for the whole process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn


@pytest.fixture(scope="session")
def running_stand_in(s3_endpoint: str) -> Iterator[RedshiftStandIn]:
    """Return the running stand-in, whose CA this process trusts; skip where no PostgreSQL can be started."""
    # Imported only here: most tests need none of it.
    from clickstream_platform_tests.redshift_stand_in import PostgresUnavailableError, RedshiftStandIn

    with pytest.MonkeyPatch.context() as patch:
        try:
            with RedshiftStandIn.start(s3_endpoint_url=s3_endpoint) as running:
                patch.setenv("SSL_CERT_FILE", str(running.ca_file))
                yield running
        except PostgresUnavailableError as error:
            pytest.skip(str(error))


@pytest.fixture
def stand_in(running_stand_in: RedshiftStandIn) -> Iterator[RedshiftStandIn]:
    """Return the stand-in without faults, its log empty."""
    running_stand_in.faults.clear()
    running_stand_in.statements.clear()
    yield running_stand_in
    running_stand_in.faults.clear()


@pytest.fixture
def database(stand_in: RedshiftStandIn) -> Iterator[str]:
    """Return the name of an empty database."""
    name = stand_in.create_database()
    yield name
    stand_in.drop_database(name)
