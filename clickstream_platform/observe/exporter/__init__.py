"""The exporter's metrics: what is known of the platform as a whole, told by one long-lived process.

Belongs here: names, what a probe found as plain nouns, the tallies that outlive a restart, rendering. Does not: asking
Dagster (`defs.instance_metrics`), ledgers and the registry (`pipeline.platform_metrics`), the process (`cli.exporter`).
"""
