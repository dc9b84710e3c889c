"""Fixtures for all tests. Slow or real components are started once and shared."""

import pytest

pytest.register_assert_rewrite("clickstream_platform_tests.contracts.object_store")
pytest.register_assert_rewrite("clickstream_platform_tests.contracts.warehouse")
pytest.register_assert_rewrite("clickstream_platform_tests.contracts.warehouse_hours")

pytest_plugins = [
    "clickstream_platform_tests.s3_server",
    "clickstream_platform_tests.redshift_server",
    "clickstream_platform_tests.kinesis_server",
]
