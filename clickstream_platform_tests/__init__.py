"""Tests of clickstream_platform; folders mirror the package."""
