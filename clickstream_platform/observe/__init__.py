"""What people watch the platform by: metrics and where they come from.

Belongs here: names and collectors of metrics. Does not: the parts that are measured.
"""
