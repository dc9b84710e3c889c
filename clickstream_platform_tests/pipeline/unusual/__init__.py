"""Tests of `pipeline.unusual`."""
