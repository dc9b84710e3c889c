"""How far from usual is too far: defaults, and what a customer's people change, from a YAML file.

    defaults: {distance: 5}
    customers:
      acme: {volume_factor: 10, rejected_percent: 5, is_watched: true}

Belongs here: the numbers and reading them. Does not: the file's place (settings), judging.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from clickstream_platform.errors import ConfigurationError

_FAILED = "reading the thresholds"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a value is told: all of distance, factor and least difference must be reached."""

    distance: float = 4.0
    """Spreads from the median."""
    volume_factor: float = 3.0
    """Times more, or fewer, records."""
    volume_records: float = 100.0
    """Least difference in records."""
    duration_factor: float = 3.0
    duration_seconds: float = 60.0
    """Least difference in seconds, of loads, runs and queues."""
    share_points: float = 2.0
    """Least difference of a share from its history, in percentage points."""
    rejected_percent: float = 20.0
    """More than this is told whatever the history says; 100 never is."""
    discards_percent: float = 50.0
    """The same of discarded values in a hundred rows."""
    duplicates_percent: float = 90.0
    """The same of duplicates in a hundred records."""
    min_records: float = 50.0
    """Shares of fewer records say nothing."""
    is_watched: bool = True
    """False: nothing of this customer is judged."""


DEFAULTS = Thresholds()


@dataclass(frozen=True, slots=True)
class ThresholdBook:
    """The thresholds of all customers."""

    defaults: Thresholds = DEFAULTS
    customers: Mapping[str, Thresholds] | None = None

    def of(self, customer: str) -> Thresholds:
        """Return a customer's thresholds."""
        return (self.customers or {}).get(customer, self.defaults)


def read_thresholds(path: Path | None) -> ThresholdBook:
    """Read the file (None: there is none); raise ConfigurationError naming what is wrong in it."""
    if path is None:
        return ThresholdBook()
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _wrong(str(path), f"it can't be read: {type(error).__name__}") from error
    return parse_thresholds(document, str(path))


def parse_thresholds(document: Any, where: str = "thresholds") -> ThresholdBook:  # noqa: ANN401 (is checked here)
    """Return the thresholds of a document as YAML gives it; raise ConfigurationError for anything unknown."""
    body = _mapping(document or {}, where)
    unknown = sorted(body.keys() - {"defaults", "customers"})
    if unknown:
        raise _wrong(where, f"unknown part {unknown[0]!r}")
    defaults = _changed(DEFAULTS, body.get("defaults") or {}, f"{where}: defaults")
    customers = {
        str(name): _changed(defaults, values or {}, f"{where}: customers.{name}")
        for name, values in _mapping(body.get("customers") or {}, f"{where}: customers").items()
    }
    return ThresholdBook(defaults, customers)


def _changed(base: Thresholds, values: Any, where: str) -> Thresholds:  # noqa: ANN401 (is checked here)
    known = {field.name for field in fields(Thresholds)}
    changes: dict[str, Any] = {}
    for name, value in _mapping(values, where).items():
        if name not in known:
            raise _wrong(where, f"unknown threshold {name!r}")
        if name == "is_watched":
            if not isinstance(value, bool):
                raise _wrong(where, f"{name} must be true or false")
            changes[name] = value
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
            raise _wrong(where, f"{name} must be a number from 0 on")
        else:
            changes[name] = float(value)
    return replace(base, **changes)


def _mapping(value: Any, where: str) -> Mapping[Any, Any]:  # noqa: ANN401 (is checked here)
    if not isinstance(value, Mapping):
        raise _wrong(where, "names with values are expected here")
    return value


def _wrong(where: str, cause: str) -> ConfigurationError:
    known = ", ".join(field.name for field in fields(Thresholds))
    return ConfigurationError(_FAILED, where=where, cause=cause, remedy=f"Thresholds are: {known} (docs/freshness.md).")
