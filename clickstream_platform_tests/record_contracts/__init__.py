"""Tests of `clickstream_platform.record_contracts`."""
