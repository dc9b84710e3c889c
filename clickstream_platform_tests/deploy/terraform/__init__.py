"""Tests of the Terraform module."""
