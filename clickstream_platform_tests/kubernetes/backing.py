"""What the platform stands on, outside the cluster: S3, Kinesis, PostgreSQL and the Redshift stand-in, on this machine.

They listen on the loopback address; pods reach them at the address that CLICKSTREAM_TEST_HOST_ADDRESS names. Belongs
here: starting and stopping them, what pods are told of them. Does not: the release.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

import pytest
import sqlalchemy as sa

from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.gateways.redshift_login import iam_login
from clickstream_platform.gateways.secrets import resolve_secret
from clickstream_platform.gateways.stores import open_object_store
from clickstream_platform.warehouses.redshift_connection import Connector
from clickstream_platform.warehouses.redshift_destination import read_destination
from clickstream_platform_tests.kinesis_server import create_kinesis_stream, running_kinesis_server
from clickstream_platform_tests.postgres_server import SUPERUSER, running_server
from clickstream_platform_tests.redshift_stand_in import PostgresUnavailableError, RedshiftStandIn
from clickstream_platform_tests.redshift_target import settings_of
from clickstream_platform_tests.s3_server import create_bucket, running_s3_server
from clickstream_platform_tests.servers import accepted_credentials, free_port

ADDRESS = "CLICKSTREAM_TEST_HOST_ADDRESS"
LOOPBACK = "127.0.0.1"
PASSWORD = "REDSHIFT_PASSWORD"  # the variable that the destination's secret reference names


@dataclass(frozen=True)
class Backing:
    """The servers, as this machine reaches them; `for_pods` says how pods do."""

    address: str
    s3_endpoint: str
    bucket: str
    kinesis_endpoint: str
    kinesis_stream: str
    postgres_port: int
    postgres_password: str
    stand_in: RedshiftStandIn

    def for_pods(self, url: str) -> str:
        """Return a URL of one of the servers as pods must use it."""
        return url.replace(LOOPBACK, self.address)

    @cached_property
    def objects(self) -> ObjectStore:
        """Return the platform's object store."""
        return open_object_store(f"s3://{self.bucket}/lake", endpoint_url=self.s3_endpoint, max_workers=4)

    @property
    def destination_settings(self) -> dict[str, str]:
        """Return the settings of the destination, for pods."""
        return {**settings_of(self.stand_in, self.stand_in.database), "host": self.address}

    def count_rows(self, schema: str, table: str, condition: str = "true") -> tuple[int, int]:
        """Return how many rows of a table meet a condition, and how many different ids they have."""
        settings = settings_of(self.stand_in, self.stand_in.database)
        connection = Connector(read_destination("test", settings, f"env:{PASSWORD}"), resolve_secret, iam_login)()
        try:
            cursor = connection.cursor()
            cursor.execute(f'SELECT count(*), count(DISTINCT id) FROM "{schema}"."{table}" WHERE {condition}')
            (counted,) = cursor.fetchall()
        finally:
            connection.close()
        rows, ids = counted
        return int(rows), int(ids)


@contextmanager
def running_backing() -> Iterator[Backing]:
    """Start the servers, with one bucket and one Kinesis stream, until the block ends; skip where one can't be had."""
    address = os.environ.get(ADDRESS)
    if not address:
        pytest.skip(f"{ADDRESS} does not say at which address pods reach this machine's {LOOPBACK}")
    with ExitStack() as stack:
        s3 = stack.enter_context(running_s3_server())
        stack.enter_context(accepted_credentials())
        kinesis = stack.enter_context(running_kinesis_server())
        try:
            port, password = stack.enter_context(running_postgres("dagster", "clickstream"))
            stand_in = stack.enter_context(RedshiftStandIn.start(s3, addresses=[address]))
        except PostgresUnavailableError as error:
            pytest.skip(str(error))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SSL_CERT_FILE", str(stand_in.ca_file))
        patch.setenv(PASSWORD, stand_in.password)
        stream = create_kinesis_stream(kinesis, shards=2)
        yield Backing(address, s3, create_bucket(s3), kinesis, stream, port, password, stand_in)


@contextmanager
def running_postgres(*databases: str) -> Iterator[tuple[int, str]]:
    """Start a PostgreSQL with users and databases of these names; yield its port and the password of all users."""
    port, password = free_port(), secrets.token_hex(12)
    settings = f"-c listen_addresses={LOOPBACK} -c port={port} -c max_connections=200"
    from_pods = "host all all all scram-sha-256\n"
    with running_server(["-E", "UTF8"], settings, password=password, access_rules=from_pods):
        server = sa.create_engine(
            f"postgresql+psycopg2://{SUPERUSER}:{password}@{LOOPBACK}:{port}/postgres", isolation_level="AUTOCOMMIT"
        )
        with server.connect() as connection:
            for name in databases:
                connection.execute(sa.text(f"CREATE USER {name} PASSWORD '{password}'"))
                connection.execute(sa.text(f"CREATE DATABASE {name} OWNER {name}"))
        server.dispose()
        yield port, password
