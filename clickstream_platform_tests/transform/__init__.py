"""Tests of clickstream_platform.transform."""
