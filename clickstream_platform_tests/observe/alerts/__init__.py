"""Tests of `clickstream_platform.observe.alerts`."""
