"""Whatever the order of loads, repeats and replacements: the tables are those of loading the final inputs in order."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clickstream_platform.load.ledger import list_loads
from clickstream_platform.load.reconcile import reconcile
from clickstream_platform.model.hours import Hour
from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.targets import SCHEMA, Target, duckdb_target

HOURS = tuple(HOUR.plus(offset) for offset in range(3))
_IDS = [f"id-{number}" for number in range(6)]
_EVENTS = ("order_completed", "cart_viewed", "identifies")
# Of each stream-hour: id -> a number that stands for its content.
Inputs = dict[str, dict[str, int]]
_INPUT = st.dictionaries(st.sampled_from(_IDS), st.integers(0, 3), max_size=4)
_INPUTS = st.fixed_dictionaries(dict.fromkeys(_EVENTS, _INPUT))
_LOADS = st.lists(st.tuples(st.sampled_from(range(3)), _INPUTS), min_size=3, max_size=6)


def _load(target: Target, hour: Hour, inputs: Mapping[str, Mapping[str, int]]) -> tuple[Hour, ...]:
    """Load one customer-hour; return the hours that it reopened."""
    builder = target.batch(hour)
    for event, rows in inputs.items():
        builder.add(event, [_row(hour, event, name, number) for name, number in rows.items()])
    report = target.load(builder.build())
    assert report.failed == ()
    return tuple(again for outcome in report.outcomes for again in outcome.reopened)


def _row(hour: Hour, event: str, name: str, number: int) -> dict[str, Any]:
    time = hour.start + timedelta(seconds=_IDS.index(name) * 60 + number)
    row: dict[str, Any] = {"id": name, "received_at": time, "context_ip": f"{hour}-{number}"}
    if event == "identifies":
        # The same message id may be another user's in another hour; every other one leaves a trait out.
        return row | {"user_id": f"user-{number % 2}", "plan": str(number) if number % 3 else None, "n": number}
    return row | {"n": number}


def _everything(target: Target) -> dict[str, Any]:
    """Return all that a reader can see, but for when it was loaded."""
    tables = {name: _comparable(rows) for name, rows in target.read_all(*_EVENTS, "tracks", "users").items()}
    loads = list_loads(target.warehouse, SCHEMA, SCHEMA)
    return tables | {"_loads": [(row.hour, row.event, row.counts, row.input_digest) for row in loads]}


def _comparable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in sorted(row.items()) if name != "uuid_ts"} for row in rows]


def _load_until_settled(target: Target, hour: Hour, final: Mapping[Hour, Inputs]) -> None:
    """Load an hour and then, with their present input, the hours that it reopened."""
    pending = {hour}
    while pending:
        pending.discard(hour := min(pending))
        pending.update(_load(target, hour, final[hour]))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_LOADS)
def test_the_final_inputs_decide_not_the_way_there(loads: list[tuple[int, Inputs]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wandering, straight = duckdb_target(Path(folder) / "a"), duckdb_target(Path(folder) / "b")
        final: dict[Hour, Inputs] = {}
        for index, inputs in loads:
            final[HOURS[index]] = inputs
            _load_until_settled(wandering, HOURS[index], final)
        for hour in sorted(final):
            _load(straight, hour, final[hour])
        assert _everything(wandering) == _everything(straight)
        assert [reconcile(wandering.warehouse, SCHEMA, SCHEMA, hour) for hour in HOURS] == [[], [], []]
