"""Tests of the pure nouns."""
