"""What the collector replaced by null becomes rows of `_discards`, in both engines, and costs no line its place."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given

from clickstream_platform.collector.completing import Arrival
from clickstream_platform.collector.judging import judge_items
from clickstream_platform.collector.reading import read_batch
from clickstream_platform.model.records import DiscardReason
from clickstream_platform.transform.engines import duckdb as duckdb_engine
from clickstream_platform.transform.engines.single import SingleEngine
from clickstream_platform.transform.records import FlatRecord, Note, read_record
from clickstream_platform_tests.collector.running import NOW
from clickstream_platform_tests.transform.batches import stage_lines, track
from clickstream_platform_tests.transform.test_engines import assert_engines_agree
from clickstream_platform_tests.transform.test_records import json_values

ENTRY: dict[str, Any] = {"path": ["properties", "unitPrice"], "value": "NaN", "reason": "not_a_number"}


def flat(mended: object, *, kind: str = "track", max_depth: int = 8, **fields: object) -> FlatRecord:
    """Return what a record with this `_discarded` becomes."""
    record = {"type": kind, "event": "E", "messageId": "m", "_discarded": mended, **fields}
    return read_record(orjson.dumps(record), {"track": "e"}.get(kind, f"{kind}s"), max_depth=max_depth)[0]


def test_entries_are_discards_of_the_columns_that_their_paths_lead_to() -> None:
    cases = {
        ("properties", "unitPrice"): "unit_price",
        ("properties", "a", "b", "c"): "a_b",
        ("properties", "id"): "_id",
        ("context", "ip"): "context_ip",
        ("messageId",): "id",
        ("timestamp",): "timestamp",
        ("other", "x"): "other_x",
        ("properties",): "properties",
        ("integrations", "All"): "integrations",
    }
    found = flat([{**ENTRY, "path": path} for path in cases], max_depth=2, properties={"unitPrice": None, "n": 1})
    assert found.columns == {"id": '"m"', "event_text": '"E"', "n": "1"}
    assert found.notes == [Note(column, "NaN", DiscardReason.NOT_A_NUMBER) for column in cases.values()]


def test_a_page_s_entries_lead_to_a_page_s_columns() -> None:
    found = flat([{**ENTRY, "path": ["name"]}, {**ENTRY, "path": ["properties", "event"]}], kind="page")
    assert [note.column for note in found.notes] == ["name", "_event"]


@pytest.mark.parametrize("own", [[], {}, [ENTRY, 1], "x", 7, [{**ENTRY, "reason": "contract"}], [[[[]]]]])
def test_what_the_platform_would_not_write_is_data_like_any_other(own: object) -> None:
    found = flat(own)
    assert found.notes == []
    assert {name for name in found.columns if "discarded" in name} == (set() if own == {} else {"_discarded"})


@given(json_values)
def test_no_discarded_member_costs_a_record(own: Any) -> None:
    assert flat(own).columns["id"] == '"m"'


def lines_with(*odd: dict[str, object]) -> list[bytes]:
    """Return regular lines with odd ones among them."""
    lines = [track("Sample", f"m{number}", {"unitPrice": number, "n": number}) for number in range(40)]
    for number, fields in enumerate(odd):
        lines.insert(3 + 5 * number, track("Sample", f"odd{number}", {"unitPrice": None, "n": 1}, **fields))
    return lines


def test_both_engines_agree_and_only_odd_lines_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb_engine, "MIN_ROWS", 1)
    lines = lines_with(
        {"_discarded": [ENTRY]},
        {"_discarded": [ENTRY, {**ENTRY, "path": ["a b", "c"], "reason": "lone_surrogate", "value": '"\\ud800"'}]},
        {"_discarded": {"unitPrice": "NaN"}},
        {"_discarded": 5},
    )
    found = assert_engines_agree({"sample": lines})
    assert len(found.notes) == 3
    counts: list[int] = []
    read = SingleEngine.shred_lines

    def count(self: SingleEngine, chunk: Any, indexes: list[int], *rest: Any) -> None:
        counts.append(len(indexes))
        read(self, chunk, indexes, *rest)

    monkeypatch.setattr(SingleEngine, "shred_lines", count)
    assert_engines_agree({"sample": lines})
    assert counts[-1] == 4
    assert_engines_agree({"sample": [track("Sample", "m", {"n": 1}, _discarded=[ENTRY])] * 30})


def test_what_real_sdks_send_ends_as_rows_with_discards() -> None:
    """From the body of a request to the tables."""
    items = ",".join(
        f'{{"type":"track","event":"Sample","messageId":"m{number}","properties":{{"unitPrice":{price}}}}}'
        for number, price in enumerate(["1.5", "NaN", "2", '"\\ud83d"', "[1,-Infinity]"])
    )
    fake = json.dumps([{**ENTRY, "value": "-Infinity"}])
    own = f'{{"type":"track","event":"Sample","messageId":7,"_discarded":{fake}}}'
    read = read_batch(f'{{"batch":[{items},{own},{{"type":"track","event":"Sample","messageId":""}}]}}'.encode())
    judged = judge_items(read.items, Arrival("acme", NOW, fields=read.fields))
    staged = stage_lines([event.line for event in judged.events])
    assert (staged.totals["raw"], staged.totals["rows"], staged.totals["rejected"]) == (7, 7, 0)
    assert staged.totals["discarded"] == 4
    rows = {row["id"]: row for row in staged.rows("sample")}
    assert rows["7"]["_discarded"] == fake.replace(" ", "")
    assert [rows[f"m{number}"]["unit_price"] for number in range(5)] == ["1.5", None, "2", None, "[1,null]"]
    found = {(row["column_name"], row["column_value"], row["reason"]) for row in staged.rows("_discards")}
    assert found == {
        ("unit_price", "NaN", "not_a_number"),
        ("unit_price", '"\\ud83d"', "lone_surrogate"),
        ("unit_price", "-Infinity", "not_a_number"),
        ("id", '""', "no_message_id"),
    }
    assert {row["table_name"] for row in staged.rows("_discards")} == {"sample"}
    assert {row["row_id"] for row in staged.rows("_discards")} <= rows.keys()
