"""Tests of `clickstream_platform.registry` and its commands."""
