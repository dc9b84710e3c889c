"""Tests of `clickstream_platform.ingest` and of the command in front of it."""
