"""Tests of the batcher."""
