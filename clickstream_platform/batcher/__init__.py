"""The batcher: reads the shards of a Kinesis stream, removes duplicates, writes hourly raw objects and seals hours.

Belongs here: leases on shards, batches, de-duplication, checkpoints, seals. Does not: Kinesis itself
(`gateways.kinesis_reader`), what a record means (`transform`), other producers (`ingest`). See docs/batcher.md.
"""
