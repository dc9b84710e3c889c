"""A masked record has its form and none of its values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.pipeline.masking import MAX_DEPTH, MAX_KEYS, mask_record

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def test_values_are_masked_and_the_form_stays() -> None:
    record = {
        "type": "track",
        "event": "Order Completed",
        "messageId": "m-1",
        "properties": {"total": 12.5, "paid": True, "coupon": None, "items": [{"sku": "A1"}, {"sku": "B2"}]},
    }
    assert mask_record(record) == {
        "type": "track",
        "event": "Order Completed",
        "messageId": "<text, 3 characters>",
        "properties": {
            "total": "<number>",
            "paid": "<boolean>",
            "coupon": None,
            "items": [{"sku": "<text, 2 characters>"}, {"sku": "<text, 2 characters>"}],
        },
    }


@pytest.mark.parametrize(
    "key",
    [
        *("jane@example.com", "order 4915112345678", "https://shop.example/a", "f" * 16, "k" * 101),
        *("+1 555 123 4567", "555-12-3456", "4111 1111 1111 1111", "192.168.10.1", "1985-03-02"),
    ],
)
def test_keys_that_look_like_data_are_masked_too(key: str) -> None:
    assert mask_record({"properties": {key: 1, f"{key}2": 2, "total": 3}}) == {
        "properties": {"<masked key 1>": "<number>", "<masked key 2>": "<number>", "total": "<number>"}
    }


def test_an_event_or_type_that_is_no_text_is_masked_like_any_value() -> None:
    assert mask_record({"type": 7, "event": {"name": "x"}}) == {
        "type": "<number>",
        "event": {"name": "<text, 1 characters>"},
    }


def test_only_the_outer_event_keeps_its_name() -> None:
    assert mask_record({"properties": {"event": "secret", "type": "secret"}}) == {
        "properties": {"event": "<text, 6 characters>", "type": "<text, 6 characters>"}
    }


def test_deep_wide_and_long_records_are_cut() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep, "secret": "secret"}
    masked = mask_record({"deep": deep, "wide": {f"k{n}": n for n in range(10_000)}, "long": list(range(10_000))})
    depth, inner = 1, masked["deep"]
    while isinstance(inner, dict):
        depth, inner = depth + 1, inner["a"]
    assert depth <= MAX_DEPTH + 1
    assert len(masked["wide"]) <= MAX_KEYS
    assert "secret" not in json.dumps(masked).replace('"secret":', "")
    assert len(json.dumps(masked)) < 20_000


@given(st.dictionaries(st.text(), VALUES))
def test_every_text_of_a_masked_record_is_a_mask(record: dict[str, Any]) -> None:
    masked = mask_record({key: value for key, value in record.items() if key not in ("type", "event")})

    def check(value: Any) -> None:
        if isinstance(value, dict):
            for inner in value.values():
                check(inner)
        elif isinstance(value, list):
            for inner in value:
                check(inner)
        else:
            assert value is None or (value.startswith("<") and value.endswith(">"))

    check(masked)
