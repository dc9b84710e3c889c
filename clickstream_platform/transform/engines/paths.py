"""The paths that records of similar streams have: learned from records, held as one plan for extraction.

Belongs here: which values to extract, what their keys cost in bytes, and where each value goes. Does not: extraction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clickstream_platform.model.mended_values import MENDED_KEY
from clickstream_platform.transform.layout import OBJECT_FIELDS, Path, column_of

# More paths than this are not extracted together: the cost of one row grows with them.
MAX_PATHS = 400
# Keys whose JSON form and JSON pointer are the key itself; records with any other key are read one by one.
_PLAIN_KEY = re.compile(r"(?!\d+$)[\w $@.:+\-()%&?=;,!|]+")


def leaf_paths(record: dict[str, Any], max_depth: int, prefix: Path = ()) -> Iterator[Path]:
    """Yield the path of every value of a record that is no flattened object (empty objects are leaves)."""
    for key, value in record.items():
        path = (*prefix, key)
        if type(value) is dict and value and len(path) <= max_depth:
            yield from leaf_paths(value, max_depth, path)
        else:
            yield path


@dataclass(slots=True)
class PathPlan:
    """The paths of one group of streams of one record type, in the order they were learned."""

    record_type: str
    max_depth: int
    paths: dict[Path, int] = field(default_factory=dict)
    _frozen: FrozenPlan | None = None

    def learn(self, record: dict[str, Any]) -> None:
        """Add the record's paths, as far as they fit; what the collector tells in a record is read one by one."""
        for path in leaf_paths(record, self.max_depth):
            if path in self.paths or len(self.paths) >= MAX_PATHS or path[0] == MENDED_KEY:
                continue
            if all(map(_PLAIN_KEY.fullmatch, path)):
                self.paths[path] = len(self.paths)
                self._frozen = None

    def freeze(self) -> FrozenPlan:
        """Return the plan in the form that extraction works with."""
        if self._frozen is None:
            self._frozen = FrozenPlan.of(self)
        return self._frozen


@dataclass(frozen=True, slots=True)
class FrozenPlan:
    """Everything about the paths that is the same for all rows.

    `pointers`: JSON pointers. `key_cost`: bytes of each path's own key in minified JSON, with quotes, colon and comma.
    `containers`: for each object that holds paths, its own cost and the paths below it. `opaque`: paths at the depth
    limit, whose objects are values. `columns`: column name -> its paths. `not_objects`: paths that must be objects.
    """

    pointers: tuple[str, ...]
    key_cost: np.ndarray[Any, np.dtype[np.int64]]
    containers: tuple[tuple[int, np.ndarray[Any, np.dtype[np.int64]]], ...]
    opaque: np.ndarray[Any, np.dtype[np.bool_]]
    columns: dict[str, tuple[int, ...]]
    not_objects: tuple[int, ...]
    index: dict[Path, int]

    @classmethod
    def of(cls, plan: PathPlan) -> FrozenPlan:
        """Work out the plan's fixed parts."""
        columns: dict[str, list[int]] = {}
        below: dict[Path, list[int]] = {}
        for path, number in plan.paths.items():
            for depth in range(1, len(path)):
                below.setdefault(path[:depth], []).append(number)
            column = None if len(path) == 1 and path[0] in OBJECT_FIELDS else column_of(plan.record_type, path)
            if column is not None:
                columns.setdefault(column, []).append(number)
        return cls(
            pointers=tuple("/" + "/".join(path) for path in plan.paths),
            key_cost=np.array([_key_cost(path) for path in plan.paths], np.int64),
            containers=tuple((_key_cost(path) + 1, np.array(numbers)) for path, numbers in below.items()),
            opaque=np.array([len(path) > plan.max_depth for path in plan.paths], bool),
            columns={name: tuple(numbers) for name, numbers in columns.items()},
            not_objects=tuple(n for path, n in plan.paths.items() if len(path) == 1 and path[0] in OBJECT_FIELDS),
            index=dict(plan.paths),
        )


def _key_cost(path: Path) -> int:
    """Bytes that a member adds beside its value: two quotes, its key, a colon and a comma."""
    return len(path[-1].encode()) + 4
