"""Tests of the hourly work without Dagster."""
