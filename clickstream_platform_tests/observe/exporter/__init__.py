"""Tests of the exporter's memory and of what it shows."""
