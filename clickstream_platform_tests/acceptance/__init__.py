"""The whole way, ingest to tables, over recorded and awkward data; locally and with the objects on S3."""
