"""A PostgreSQL server for the probe of Dagster's tables, the one of the registry's tests."""

from clickstream_platform_tests.registry.conftest import postgresql_server

__all__ = ["postgresql_server"]
