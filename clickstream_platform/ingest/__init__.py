"""From files of events to raw objects and seals: the producer beside the batcher, for history, tests and repairs.

Belongs here: routing lines to stream-hours, writing raw objects, sealing. Does not: judging records (`transform`).
"""
