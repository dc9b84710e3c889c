"""Tests of what deploys the platform."""
