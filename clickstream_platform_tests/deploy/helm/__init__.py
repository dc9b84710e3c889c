"""Tests of the Helm chart: what it renders, refuses and says of itself."""
