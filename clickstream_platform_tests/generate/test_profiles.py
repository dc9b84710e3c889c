"""The catalogue of events: tables of their own, all record types, realistic payloads without colliding keys."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from clickstream_platform.generate import GeneratorSettings, generate_hour
from clickstream_platform.generate.profiles import ProfileName, catalogue
from clickstream_platform.model.naming import column_name, event_slug, is_slug
from clickstream_platform.model.streams import RECORD_TYPES, TABLE_OF_TYPE

PROFILE_NAMES = get_args(ProfileName)


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_every_stream_is_a_table_of_its_own(profile: ProfileName) -> None:
    streams = catalogue(profile, 3_000)
    tables = [event_slug(each.event_name) if each.record_type == "track" else each.event_name for each in streams]
    assert len(set(tables)) == len(streams) == 3_000
    assert all(map(is_slug, tables))
    assert {each.record_type for each in streams[:25]} == RECORD_TYPES
    assert {each.event_name for each in streams if each.record_type != "track"} == set(TABLE_OF_TYPE.values())


def test_a_larger_catalogue_begins_with_the_smaller_one() -> None:
    assert catalogue("saas", 500)[:40] == catalogue("saas", 40)


def test_names_of_events_come_in_many_scripts() -> None:
    letters = "".join(each.event_name for each in catalogue("ecommerce", 600))
    scripts = {unicodedata.name(letter).split()[0] for letter in letters if letter.isalpha()}
    assert scripts >= {"LATIN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "CYRILLIC", "GREEK", "HEBREW", "ARABIC"}


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_records_look_like_those_of_a_browser(profile: ProfileName) -> None:
    settings = GeneratorSettings(
        "acme", datetime(2026, 1, 5, 9, tzinfo=UTC), events_per_hour=1_500, streams=60, profile=profile, skew="equal"
    )
    sizes, leaves = [], []
    for generated in generate_hour(settings, 0):
        if generated.kind != "malformed":
            record = json.loads(generated.line)
            columns = [column_name(path) for path in paths(record)]
            assert len(set(columns)) == len(columns), "two keys of a record end as the same column"
            sizes.append(len(generated.line))
            leaves.append(len(columns))
            payload = record.get("traits") or record.get("properties") or {}
            assert generated.record_type == "alias" or 8 <= len(payload) <= 20
    assert 1_100 < sum(sizes) / len(sizes) < 1_500
    assert 40 < sum(leaves) / len(leaves) < 47


def paths(value: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every leaf; the payload's keys are columns without a prefix, as in the tables."""
    for key, below in value.items():
        path = () if not above and key in ("properties", "traits") else (*above, key)
        if isinstance(below, dict) and below:
            yield from paths(below, path or ("payload",))
        else:
            yield path
