"""The hourly work as a plain library: which customer-hours are ready, and what loading one of them takes.

Composes object store, registry, transform and load; knows no Dagster, so that commands, tests and every kind of run do
the same. Belongs here: `discovery` and `planning` (what to do), `freezing` and `customer_hour` (doing it), `reports`
(what was done). Does not: how records are transformed or loaded, and how Dagster shows it (`defs`).
"""
