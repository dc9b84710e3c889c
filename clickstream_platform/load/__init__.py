"""Loading staged batches into a warehouse: one transaction per customer-hour, ledger rows included. See docs/load.md.

Belongs here: what is written when, and the proof that it adds up. Does not: Parquet (`transform`), SQL text or drivers
(`warehouses`).
"""
