"""The unusual: loads, runs, volumes and shares far from a stream's own history.

`baseline` is the statistics, `thresholds` what a customer may change, `hours` judges a stream-hour, `runs` judges runs:
these are pure. `watching` reads ledgers and remembers. See docs/freshness.md.
"""
