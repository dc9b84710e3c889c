"""Tests of the doctor's parts."""
