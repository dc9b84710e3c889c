"""Tests of `clickstream_platform.registry.pages`."""
