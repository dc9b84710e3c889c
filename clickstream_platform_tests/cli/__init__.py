"""Tests of clickstream_platform.cli."""
