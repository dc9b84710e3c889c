"""Logs: JSON lines with ECS names that nothing personal and no secret gets into, kept on disk until the index has them.

Belongs here: what a line holds, the buffer, sending. Does not: clients of an index (`gateways.log_index`), settings
(`pipeline.logs` hands them over), what is worth a line (whoever logs).
"""
