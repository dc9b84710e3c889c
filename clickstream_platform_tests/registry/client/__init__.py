"""Tests of how other parts ask the registry, and go on without it."""
