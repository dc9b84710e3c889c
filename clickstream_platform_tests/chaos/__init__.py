"""Processes that are killed at random times under load: `make chaos`, and a shorter round in `make test-e2e`."""
