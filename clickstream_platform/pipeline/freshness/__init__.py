"""Freshness: for every stream, whether all that arrived is in its table by its deadline, and if not, why.

`facts` and `silence` are what is known of one stream, `judging` makes a status of it, `report` what people are told of
all of them: these are pure. `grid` keeps what was looked at, `arrivals`, `ledgers`, `histories` look, `watching` puts
it together. See docs/freshness.md.
"""
