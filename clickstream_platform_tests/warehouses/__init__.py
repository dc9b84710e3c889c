"""Tests of `warehouses`: each warehouse against the port's contract, and its own inside."""
