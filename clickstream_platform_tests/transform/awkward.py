"""Lines of every kind that a batch can hold, for tests that compare ways of staging them. Deterministic."""

from __future__ import annotations

import random

import orjson

from clickstream_platform_tests.transform.batches import track

WORDS = ("red", "grün", "青", "a\\b", 'q"q', "", "2026-11-22", "true", "17", "x" * 700)
SHAPES: tuple[object, ...] = (
    1,
    2.5,
    -0.0,
    True,
    None,
    "text",
    "2026-11-22T09:00:00Z",
    [1, {"a": 2}],
    {"deep": {"er": 1}},
    {},
    2**60,
)


def mixed_lines(count: int, seed: int = 1) -> list[bytes]:
    """Return lines of 12 events with stable and drifting columns, collisions, duplicates and rejected records."""
    draw = random.Random(seed)
    lines: list[bytes] = []
    for number in range(count):
        event = f"Event {min(draw.randint(0, 11), draw.randint(0, 11))}"
        properties: dict[str, object] = {
            "number": number,
            "price": round(draw.random() * 100, 2),
            "word": draw.choice(WORDS),
            "drift": draw.choice(SHAPES) if event == "Event 0" else number % 7,
            "nested": {"a": draw.random() < 0.5, "b": {"c": number}},
            f"rare {draw.randint(0, 40)}": draw.choice(WORDS),
        }
        if draw.random() < 0.05:
            properties |= {"firstName": "a", "First Name": "b", "id": number, "list": [number, "\u0000"]}
        context = {"ip": f"10.0.0.{number % 250}", "screen": {"width": draw.choice([100, 200.5, "wide"])}}
        line = track(event, f"m{number}", properties, context=context, userId=draw.choice(["u1", 7, None]))
        lines.append(line)
        if draw.random() < 0.05:
            lines.append(draw.choice(lines))
        if draw.random() < 0.03:
            lines.append(draw.choice(REJECTED))
        if draw.random() < 0.02:
            lines.append(_contested(line, draw.randint(0, 9)))
    return lines


def _contested(line: bytes, second: int) -> bytes:
    record = orjson.loads(line)
    record["receivedAt"] = f"2026-11-22T09:10:0{second}.000Z"
    record["properties"]["number"] = -1
    return orjson.dumps(record)


REJECTED = (
    b"{oops",
    b"null",
    b'{"type":"track","event":"Event 1","messageId":"x","properties":{"a":NaN}}',
    b'{"type":"track","event":"Event 2","messageId":"x","properties":{"a":"\xff"}}',
    b'{"type":"track","event":"Event 3","messageId":"","properties":{}}',
    b'{"type":"purchase","messageId":"x"}',
    b'{"type":"track","event":"Event 1","messageId":"x","properties":{"a":"\\ud800"}}',
)
