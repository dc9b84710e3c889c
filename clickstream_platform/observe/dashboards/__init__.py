"""Grafana dashboards as code: what is on them, as data, and their JSON in deploy/dashboards.

    python -m clickstream_platform.observe.dashboards deploy/dashboards

Belongs here: panels and their queries (`operators`, `customer`, `capacity`), the JSON (`rendering`, which alone needs
Grafana's SDK, a development dependency). Does not: metrics.
"""
