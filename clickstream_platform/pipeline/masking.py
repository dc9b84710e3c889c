"""Masks a record: its form stays, its values go, so that a person may see what an event looks like and learn no data.

Belongs here: what is kept of a value and of a key. Does not: which record is taken (`sampling`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clickstream_platform.model.data_names import looks_like_data

MAX_DEPTH = 8
MAX_KEYS = 200  # of all objects of a record together
MAX_ITEMS = 3  # of an array: the others look alike
MAX_KEY_CHARACTERS = 100
NUMBER, BOOLEAN, CUT, MASKED_KEY = "<number>", "<boolean>", "<more>", "<masked key>"
_KEPT = ("type", "event")


def mask_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with every value masked, except its `type` and the name of its `event`.

    Text becomes `<text, 12 characters>`, a number `<number>`; null stays. Objects and arrays keep their form up to
    MAX_DEPTH, MAX_KEYS and MAX_ITEMS; what is beyond them is named `<more>`.
    """
    masker = _Masker()
    masked = masker.mask_object(record, 1)
    for key in _KEPT:
        if isinstance(value := record.get(key), str) and key in masked:
            masked[key] = value[:MAX_KEY_CHARACTERS]
    return masked


class _Masker:
    """Masks one record; counts its keys."""

    def __init__(self) -> None:
        self._keys = 0

    def mask_object(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        masked: dict[str, Any] = {}
        for key, inner in value.items():
            if self._keys >= MAX_KEYS:
                masked[CUT] = CUT
                break
            self._keys += 1
            masked[_mask_key(key, masked)] = self._mask(inner, depth + 1)
        return masked

    def _mask(self, value: object, depth: int) -> object:
        if value is None:
            return None
        if isinstance(value, bool):
            return BOOLEAN
        if isinstance(value, str):
            return f"<text, {len(value)} characters>"
        if isinstance(value, Mapping):
            return CUT if depth > MAX_DEPTH and value else self.mask_object(value, depth)
        if isinstance(value, list):
            return self._mask_array(value, depth)
        return NUMBER

    def _mask_array(self, values: list[Any], depth: int) -> object:
        if depth > MAX_DEPTH and values:
            return CUT
        masked = [self._mask(value, depth + 1) for value in values[:MAX_ITEMS]]
        return [*masked, CUT] if len(values) > MAX_ITEMS else masked


def _mask_key(key: str, taken: Mapping[str, Any]) -> str:
    """Return a key, or a numbered mask for one that is too long or looks like data."""
    if len(key) <= MAX_KEY_CHARACTERS and not looks_like_data(key):
        return key
    number = 1
    while (name := f"{MASKED_KEY[:-1]} {number}>") in taken:
        number += 1
    return name
