"""Probes of the services: does one that lives still do its work? For Kubernetes, systemd and people.

Belongs here: questions that end as an exit code and one line, asked every half minute. Does not: what the services
measure of themselves (`observe`), whom it concerns (`observe.alerts`), the state of a deployment (`doctor`).

A probe is a process of its own each time, so its modules import almost nothing: neither Dagster nor pydantic.
"""
