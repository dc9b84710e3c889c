"""Alerts: from findings, minute by minute, to one message to the right people, and one when it is over.

Belongs here: an alert's life (`lifecycle`), who is told (`routes`), what is held back (`causes`, `silences`), when
and in which words (`planning`, `messages`), memory across restarts (`store`) and the engine that puts them together.
Does not: finding anything (`pipeline`), the services that carry messages (`gateways.notifications`).
"""
