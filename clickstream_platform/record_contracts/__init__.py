"""Contracts: what an event's records were agreed to look like, as JSON Schema (draft 2020-12).

Belongs here: which schemas are taken (`checking`, `bounds`), what of a JSON value breaks one (`checking`), and a schema
for values that are there already (`inference`). Does not: what becomes of a record that breaks its contract
(`transform.contracts`), and keeping contracts (`registry`). See docs/contracts.md.
"""
