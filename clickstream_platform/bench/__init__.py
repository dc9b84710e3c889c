"""Benchmarks of the main job beside dlt: the same generated raw objects, the same machine, the same run.

Belongs here: workloads, one process per measurement, table and plot. Does not: tests. See docs/benchmarks.md.
"""
