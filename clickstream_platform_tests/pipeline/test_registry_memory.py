"""The memory of following the registry, and its written form."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.model.hours import Hour
from clickstream_platform.pipeline.registry_memory import MAX_FILLED, Backfill, RegistryMemory

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
HOURS = st.integers(0, 2_000).map(lambda number: Hour(datetime(2026, 1, 1, tzinfo=UTC)).plus(number))
MEMORIES = st.builds(
    RegistryMemory,
    st.dictionaries(NAMES, NAMES),
    st.sets(NAMES),
    st.dictionaries(NAMES, st.dictionaries(NAMES, st.integers(2, 9), min_size=1)),
    st.lists(st.builds(Backfill, NAMES, NAMES, st.integers(2, 9), st.none() | HOURS)),
    st.none() | st.tuples(NAMES, NAMES),
)


@given(MEMORIES)
def test_a_cursor_reads_back_as_it_was(memory: RegistryMemory) -> None:
    assert RegistryMemory.from_cursor(memory.to_cursor()) == memory


@pytest.mark.parametrize("cursor", [None, "", "{", '{"asked_at": "2026-01-01"}', "Ünlesbar"])
def test_what_is_no_cursor_of_ours_is_an_empty_memory(cursor: str | None) -> None:
    assert RegistryMemory.from_cursor(cursor) == RegistryMemory()


@pytest.mark.parametrize("body", [[], {"version": 99}, {"version": 1, "followed": {}}])
def test_a_cursor_of_another_form_is_forgotten(body: object) -> None:
    cursor = base64.b85encode(zlib.compress(json.dumps(body).encode())).decode()
    assert RegistryMemory.from_cursor(cursor) == RegistryMemory()


def test_a_thousand_customers_fit_into_a_cursor_of_some_kilobytes() -> None:
    memory = RegistryMemory({f"customer_{number}": f"{number * 7_919_393 % 2**32:08x}" for number in range(1_000)})
    assert len(memory.to_cursor()) < 16_000


def test_what_was_filled_is_remembered_up_to_a_bound_and_the_first_activation_needs_nothing() -> None:
    memory = RegistryMemory()
    assert memory.is_filled("acme", "order", 1)
    for number in range(MAX_FILLED + 1):
        backfill = Backfill("acme", f"event_{number}", 2)
        memory.backfills.append(backfill)
        memory.finish(backfill)
    assert not memory.backfills
    assert not memory.is_filled("acme", "event_0", 2)
    assert memory.is_filled("acme", "event_1", 2)
    assert not memory.is_filled("acme", "event_1", 3)
    memory.forget("acme")
    assert memory == RegistryMemory()
