"""A day of a platform with fifty customers, minute by minute, on a clock that is set: what goes wrong, who is told.

`story` says what happens, `world` makes of it what a platform would show (raw objects, ledgers, runs, the registry),
`living` lets the platform's own code look at it each minute and tell people, through real servers; `draw` makes the
picture of docs/alerts.md:

    python -m clickstream_platform_tests.scripted_day.draw docs/images/scripted-day.png
"""
