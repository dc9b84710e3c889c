"""Tests of `pipeline.freshness`."""
