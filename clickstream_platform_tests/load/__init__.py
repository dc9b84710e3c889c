"""Tests of `load`: the protocol, its rules and what happens when it is disturbed."""
