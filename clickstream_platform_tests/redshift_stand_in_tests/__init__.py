"""Tests of the Redshift stand-in, seen through the unmodified driver."""
