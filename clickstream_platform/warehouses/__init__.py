"""Warehouses behind the loader's port (`load.port`): their drivers, their SQL, their errors.

Belongs here: per warehouse a connection (`duckdb`) and a dialect (`duckdb_dialect`), and what they share (`sql_*`).
Does not: what is written when (`load`).
"""
