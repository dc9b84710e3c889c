"""How bytes become lines: decompression and line splitting, for `ingest` and `transform`. No JSON, no I/O."""
