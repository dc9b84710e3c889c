"""Tests of the image: the Dockerfile as text, its steps as commands."""
