"""Tests of the registry's HTTP API."""
