"""Tests of `clickstream_platform.quarantine` and of the commands in front of it."""
