"""The Kinesis server, for the tests of the collector."""

from clickstream_platform_tests.kinesis_server import kinesis_endpoint, kinesis_stream

__all__ = ["kinesis_endpoint", "kinesis_stream"]
