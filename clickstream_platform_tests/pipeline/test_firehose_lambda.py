"""The transformation in docs/batcher.md, as Amazon Data Firehose would call it."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream

DOCUMENT = Path(__file__).parents[2] / "docs/batcher.md"


def documented_handler() -> Any:
    (code,) = re.findall(r"```python\n(.+?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # our own document
    return names["handler"]


def call(event: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the record that Firehose would write and its partition keys."""
    record = {
        "recordId": "4965",
        "approximateArrivalTimestamp": 1_795_340_096_789,
        "data": base64.b64encode(json.dumps(event).encode()).decode(),
    }
    (answer,) = documented_handler()({"records": [record]}, None)["records"]
    assert (answer["recordId"], answer["result"]) == ("4965", "Ok")
    return json.loads(base64.b64decode(answer["data"])), answer["metadata"]["partitionKeys"]


def test_the_keys_are_those_of_the_layout() -> None:
    event = {"customer": "shop", "type": "track", "event": "Größe gewählt", "properties": {"n": 1}}
    written, keys = call(event)
    assert written["receivedAt"] == "2026-11-22T09:34:56.789000Z"
    assert written["messageId"] == "4965"
    assert "customer" not in written
    path = f"raw/hour={keys['hour']}/customer={keys['customer']}/event={keys['event']}"
    key = RawObjectKey.parse(f"{path}/events-1-2026-11-22-11-02-03-8c0d3f1e-5b7a-4c39-9d0e-2f6a1b3c4d5e.ndjson.gz")
    assert (str(key.hour), key.stream) == ("2026-11-22T09", Stream("shop", "größe_gewählt"))


def test_events_without_a_name_of_their_own_go_to_the_table_of_their_type() -> None:
    assert call({"customer": "shop", "type": "page", "messageId": "m"})[1]["event"] == "pages"


def test_a_record_without_a_place_fails_alone() -> None:
    records = [{"recordId": "1", "approximateArrivalTimestamp": 0, "data": base64.b64encode(b"[]").decode()}]
    answer = documented_handler()({"records": records}, None)
    assert answer == {"records": [{"recordId": "1", "result": "ProcessingFailed", "data": records[0]["data"]}]}
