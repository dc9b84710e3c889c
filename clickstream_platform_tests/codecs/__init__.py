"""Tests of clickstream_platform.codecs."""
