"""A thin client around the driver, and the objects that COPY reads.

What belongs here: sending SQL, writing Parquet and manifests. What does not: expectations.
"""

from __future__ import annotations

import gc
import io
import json
import warnings
from contextlib import suppress
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import redshift_connector
from redshift_connector.error import Error, ProgrammingError

from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn


def connect(stand_in: RedshiftStandIn, database: str, **options: Any) -> Any:
    """Open a connection with the unmodified driver."""
    options = {
        "host": stand_in.host,
        "port": stand_in.port,
        "database": database,
        "user": stand_in.user,
        "password": stand_in.password,
        "sslmode": "verify-full",
        "timeout": 20,
        **options,
    }
    with warnings.catch_warnings():
        # The driver makes its TLS context in a way that Python has deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        return redshift_connector.connect(**options)


def refusal(stand_in: RedshiftStandIn, database: str = "", **options: Any) -> str:
    """Return why a connection was refused; raise AssertionError when it wasn't."""
    try:
        connect(stand_in, database or stand_in.database, **options)
    except Error as error:
        text = repr(error)
    else:
        raise AssertionError("not refused")
    with warnings.catch_warnings():
        # The driver never closes the socket of a connection that fails.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return text


class SqlFailedError(Exception):
    """What the server answered: SQLSTATE, message and detail."""

    def __init__(self, fields: dict[str, str]) -> None:
        """Keep the fields of the server's answer."""
        super().__init__(fields)
        self.code, self.message, self.detail = fields["C"], fields["M"], fields.get("D", "")


class Client:
    """A session; every statement commits by itself unless a BEGIN was sent."""

    def __init__(self, connection: Any) -> None:
        """Use a connection."""
        self.connection = connection
        connection.autocommit = True
        self.cursor = connection.cursor()
        self.cursor.paramstyle = "qmark"

    def run(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows; raise SqlFailedError with what the server answered."""
        try:
            self.cursor.execute(sql, params or None)
        except ProgrammingError as error:
            raise SqlFailedError(error.args[0]) from error
        return [tuple(row) for row in self.cursor.fetchall()] if self.cursor.description else []

    def close(self) -> None:
        """End the session, also one that a fault has closed."""
        with suppress(Exception):
            self.connection.close()


class Parts:
    """Parquet objects and manifests in a bucket."""

    def __init__(self, endpoint: str, bucket: str, role: str) -> None:
        """Write into the bucket; COPY reads as the role."""
        self.bucket, self.role = bucket, role
        self._s3 = boto3.session.Session().client("s3", endpoint_url=endpoint)
        self._count = 0

    def put(self, key: str, data: bytes) -> str:
        """Write an object and return its URL."""
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=data)
        return f"s3://{self.bucket}/{key}"

    def parquet(self, **columns: Any) -> dict[str, Any]:
        """Write an object with these columns and return its entry of a manifest."""
        buffer = io.BytesIO()
        pq.write_table(pa.table(columns), buffer)
        self._count += 1
        url = self.put(f"parts/{self._count}.parquet", buffer.getvalue())
        return {"url": url, "mandatory": True, "meta": {"content_length": len(buffer.getvalue())}}

    def manifest(self, *entries: dict[str, Any]) -> str:
        """Write a manifest and return its URL."""
        self._count += 1
        return self.put(f"manifests/{self._count}", json.dumps({"entries": entries}).encode())

    def copy(self, table: str, *entries: dict[str, Any], options: str = "", role: str = "") -> str:
        """Return the COPY of a new manifest with these entries."""
        url = self.manifest(*entries)
        return f"COPY {table} FROM '{url}' IAM_ROLE '{role or self.role}' FORMAT AS PARQUET MANIFEST {options}".strip()
