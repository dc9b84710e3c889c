"""Documents as Hypothesis draws them, for tests of the registry as one document.

Belongs here: strategies. Does not: tests.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from clickstream_platform.model.naming import customer_slug, event_slug

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30).filter(str.strip)
"""What a person may type."""

_HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
_STATES = st.sampled_from(["active", "paused", "removed", "discovered"])
_SCHEMAS = st.fixed_dictionaries(
    {"type": st.just("object")},
    optional={
        "title": NAMES,
        "maxProperties": st.integers(0, 10**12),
        "properties": st.dictionaries(NAMES, st.fixed_dictionaries({"maximum": st.floats(-1e9, 1e9)}), max_size=3),
    },
)
_TIMES = st.none() | st.datetimes().map(lambda moment: moment.replace(microsecond=0).isoformat() + "+00:00").filter(
    lambda text: "1900" < text < "9000"
)
_POLICIES = st.fixed_dictionaries(
    {
        "auto_activate": st.booleans(),
        "schema_mode": st.sampled_from(["evolve", "freeze", "reject"]),
        "dedup_window_hours": st.integers(1, 1_000),
        "column_limit": st.integers(50, 1_600),
        "load_threshold_percent": st.integers(0, 100),
        "retention_days": st.none() | st.integers(1, 1_000),
        "events_per_second": st.none() | st.integers(1, 1_000),
    }
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a whole document, as an export is."""
    destination: dict[str, Any] = {"kind": "duckdb", "settings": {}, "secret_reference": None, "schema": None}
    slugs = draw(st.lists(NAMES.map(customer_slug), max_size=3, unique=True))
    ids = iter(draw(st.lists(_HASHES, min_size=9, max_size=9, unique=True)))
    other: dict[str, Any] = {
        "kind": "redshift",
        "settings": draw(st.dictionaries(NAMES.map(_harmless), NAMES.map(_harmless), max_size=2)),
    }
    other |= {"secret_reference": draw(st.sampled_from([None, "env:LAKE", "file:/run/secrets/lake"])), "schema": None}
    return {
        "version": 1,
        "destinations": {"default": destination, "other": other},
        "customers": {slug: draw(_customers(ids)) for slug in sorted(slugs, key=str.encode)},
    }


@st.composite
def _customers(draw: st.DrawFn, hashes: Any) -> dict[str, Any]:
    removed = draw(st.booleans())
    slugs = draw(st.lists(NAMES.map(event_slug), max_size=3, unique=True))
    keys = [next(hashes) for _ in range(draw(st.integers(0, 3)))]
    return {
        "display_name": draw(NAMES),
        "destination": draw(st.sampled_from(["default", "other"])),
        "isolated": draw(st.booleans()),
        "removed": removed,
        "policy": draw(_POLICIES),
        "events": {slug: draw(_events(removed)) for slug in sorted(slugs, key=str.encode)},
        "write_keys": {f"wk_{each[:12]}": draw(_write_keys(each)) for each in sorted(keys)},
    }


@st.composite
def _events(draw: st.DrawFn, removed: bool) -> dict[str, Any]:
    versions = draw(st.integers(0, 2))
    return {
        "display_name": draw(NAMES),
        "state": "removed" if removed else draw(_STATES),
        "freshness_deadline_minutes": draw(st.none() | st.integers(1, 1_000)),
        "first_seen_hour": draw(st.sampled_from([None, "2026-11-22T09", "2024-02-29T23"])),
        "contract": draw(st.none() | st.integers(1, versions)) if versions else None,
        "contracts": [draw(_contracts(number)) for number in range(1, versions + 1)],
    }


@st.composite
def _contracts(draw: st.DrawFn, version: int) -> dict[str, Any]:
    mode = draw(st.sampled_from(["evolve", "freeze", "reject"]))
    return {"version": version, "mode": mode, "note": draw(st.just("") | NAMES), "schema": draw(_SCHEMAS)}


@st.composite
def _write_keys(draw: st.DrawFn, digest: str) -> dict[str, Any]:
    return {
        "name": draw(NAMES),
        "hint": draw(st.text("abcXYZ0189", min_size=1, max_size=6)),
        "hash": digest,
        "expires_at": draw(_TIMES),
        "revoked": draw(st.booleans()),
    }


def _harmless(text: str) -> str:
    """Return the text where it cannot look like a secret."""
    return "x" + text.translate(dict.fromkeys(map(ord, "keyKEYK:@tT"), "_"))
