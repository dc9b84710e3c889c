"""Tests of the registry as one document."""
