"""Tests of `clickstream_platform.collector` and of its Kinesis producer."""
