"""Platforms whose tables are in the Redshift stand-in, a database of its own for each, and whose objects are on S3.

Belongs here: what such a platform needs around it. Does not: the stand-in, reading tables (`readers`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clickstream_platform.registry.entities import DEFAULT_DESTINATION, Destination
from clickstream_platform_tests.acceptance.driver import Platform
from clickstream_platform_tests.acceptance.readers import RedshiftReader
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_target import settings_of
from clickstream_platform_tests.s3_server import create_bucket


@dataclass(frozen=True)
class RedshiftSite:
    """A running stand-in and the S3 server it copies from."""

    stand_in: RedshiftStandIn
    s3_endpoint: str

    @contextmanager
    def platform(self, home: Path, prefix: str = "") -> Iterator[Platform]:
        """Open a platform with everything of its own; its database is dropped at the end."""
        database = self.stand_in.create_database()
        url = f"s3://{create_bucket(self.s3_endpoint)}{prefix}"
        platform = Platform(home, url, self.s3_endpoint, self.destination(home, database), self.reader(database))
        try:
            yield platform
        finally:
            platform.close()
            self.stand_in.drop_database(database)

    def destination(self, home: Path, database: str) -> Destination:
        """Return the destination of all customers for whom nobody names another; its secret is a file in the folder."""
        secret = home / "redshift-login"
        secret.write_text(json.dumps({"username": self.stand_in.user, "password": self.stand_in.password}))
        settings = settings_of(self.stand_in, database)
        return Destination(DEFAULT_DESTINATION, "redshift", settings, secret_reference=f"file:{secret}")

    def reader(self, database: str) -> RedshiftReader:
        """Return what reads a database."""
        stand_in = self.stand_in
        return RedshiftReader(
            {
                "host": stand_in.host,
                "port": stand_in.port,
                "database": database,
                "user": stand_in.user,
                "password": stand_in.password,
            }
        )
