"""Tests of generated events."""
