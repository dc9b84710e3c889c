"""One extraction: the JSON texts of many paths from many lines, and the proof that nothing else is in a line.

DuckDB parses each line once and gives the JSON text of every known path. A line is *regular* when the bytes of its
minified form are exactly accounted for by the known paths: then it has no other member, no key twice, nothing that the
paths don't show. Every other line goes to the single engine. See docs/decisions/0002-engine.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from clickstream_platform.transform.engines.paths import FrozenPlan
from clickstream_platform.transform.parsing import ODD_NUMBER
from clickstream_platform.transform.shreds import Columns
from clickstream_platform.transform.texts import Bools, Bytes, Ints, TextView

_LENIENT_COMMA = r",\s*[\]}]"
_REWRITTEN = f"{_LENIENT_COMMA}|{ODD_NUMBER}"  # what DuckDB takes or writes otherwise than the line has it
_NOT_FINITE = r"(?i)[:,\[]-?(?:nan|inf)"  # inside a minified array or object
_SURELY_SHALLOW = 1000  # arrays within a value: less than all levels allowed; the single engine counts them
Matrix = npt.NDArray[np.int64]


@dataclass(slots=True)
class Extraction:
    """Texts of P paths of the N lines that are JSON.

    `lines` are their indexes among the lines given, `minified` their lengths in bytes without white space, `exact` says
    whether DuckDB wrote the whole record as it stands at the line's beginning. `texts` has a column of N values per
    path; `first` (first byte), `lengths` and `present` are N x P.
    """

    lines: Ints
    minified: Ints
    exact: Bools
    texts: list[pa.StringArray]
    first: npt.NDArray[np.uint8]
    lengths: Matrix
    present: Bools

    def column(self, path: int, rows: Ints | None = None) -> pa.StringArray:
        """Return the texts of one path (of some rows), null where it is absent, JSON null or a flattened object."""
        leaf = self.present[:, path] & (self.first[:, path] != ord("n"))
        texts = self.texts[path]
        if rows is None or len(rows) == len(leaf):
            return texts if leaf.sum() == len(texts) - texts.null_count else _only(texts, leaf)
        leaf = leaf[rows]
        return texts.take(pa.array(rows) if leaf.all() else pa.array(rows, mask=~leaf))


def _only(texts: pa.StringArray, keep: Bools) -> pa.StringArray:
    return texts.take(pa.array(np.arange(len(texts)), mask=~keep))


class ExtractedColumns(Columns):
    """The columns of some rows of an extraction, each made when it is first asked for."""

    def __init__(
        self, found: Extraction, paths: Mapping[str, int], merged: Mapping[str, pa.StringArray], rows: Ints
    ) -> None:
        """Give column `name` the values of path `paths[name]`, or of `merged[name]`; empty columns are left out."""
        super().__init__({})
        filled = (found.present[rows] & (found.first[rows] != ord("n"))).any(axis=0)
        self._found, self._merged, self._rows = found, merged, rows
        self._paths = {name: path for name, path in paths.items() if filled[path]}
        chosen = {name: column.take(pa.array(rows)) for name, column in merged.items()}
        self._arrays.update({name: column for name, column in chosen.items() if column.null_count < len(column)})
        self._names = (*self._paths, *self._arrays)

    def __getitem__(self, name: str) -> pa.StringArray:
        if name not in self._arrays:
            self._arrays[name] = self._found.column(self._paths[name], self._rows)
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def select(self, keep: Bools) -> Columns:
        """Return the columns of fewer rows; nothing that is not asked for is made."""
        return ExtractedColumns(self._found, self._paths, self._merged, self._rows[keep])


def extract(connection: duckdb.DuckDBPyConnection, lines: pa.ChunkedArray, plan: FrozenPlan) -> Extraction:
    """Extract all paths of the plan from lines of valid UTF-8."""
    width = len(plan.pointers)
    pointers = ", ".join(f"'{pointer}'" for pointer in (*plan.pointers, "$"))
    columns = ", ".join(f"texts[{path + 1}] AS path_{path}" for path in range(width))
    connection.register("chunk_lines", pa.table({"line": lines, "number": np.arange(len(lines))}))
    query = f"""
        SELECT number, strlen(texts[{width + 1}]) AS minified,
               starts_with(line, texts[{width + 1}]) AS exact, {columns}
        FROM (SELECT number, line, json_extract(line, [{pointers}]) AS texts FROM chunk_lines
    """  # noqa: S608 - pointers are made of plain keys only, see paths.py
    try:
        table = connection.sql(f"{query})").to_arrow_table().combine_chunks()
    # A line is no JSON: leave such lines out, which costs a second parsing. DuckDB quotes it, cut off anywhere.
    except (duckdb.InvalidInputException, UnicodeDecodeError):
        table = connection.sql(f"{query} WHERE json_valid(line))").to_arrow_table().combine_chunks()
    connection.unregister("chunk_lines")
    if not len(table):
        empty = np.zeros((0, width), np.int64)
        none = np.zeros(0, np.int64)
        return Extraction(
            none,
            none,
            none.astype(bool),
            [pa.array([], pa.string())] * width,
            empty.astype(np.uint8),
            empty,
            empty.astype(bool),
        )
    texts = [_plain_text(table.column(path + 3).chunk(0)) for path in range(width)]
    views = [TextView.of(column) for column in texts]
    return Extraction(
        lines=np.asarray(table.column("number").chunk(0)),
        minified=np.asarray(table.column("minified").chunk(0)),
        exact=np.asarray(table.column("exact").chunk(0)).astype(bool),
        texts=texts,
        first=np.stack([np.where(view.valid, view.byte_at(0), 0) for view in views], axis=1),
        lengths=np.stack([np.where(view.valid, view.lengths, 0) for view in views], axis=1),
        present=np.stack([view.valid for view in views], axis=1),
    )


def _plain_text(column: pa.Array) -> pa.StringArray:
    storage = column.storage if isinstance(column, pa.ExtensionArray) else column
    return storage if pa.types.is_string(storage.type) else storage.cast(pa.string())


def find_regular(found: Extraction, plan: FrozenPlan, take_lines: Callable[[Ints], pa.StringArray]) -> Bools:
    """Mark the lines that the plan accounts for to the last byte; also turn flattened objects into absent values.

    `take_lines` gives some of the extraction's lines, as they came.
    """
    objects = (found.first == ord("{")) & ~plan.opaque
    flattened = objects & (found.lengths > 2)
    found.present &= ~flattened
    sizes = np.where(flattened, 0, found.lengths)
    total = 1 + sizes.sum(axis=1) + found.present @ plan.key_cost
    for cost, below in plan.containers:
        total += np.where(found.present[:, below].any(axis=1), cost, 0)
    regular: Bools = total == found.minified
    found.present &= (found.first != ord("{")) | (found.lengths > 2)  # an empty object is no value either
    regular &= ~_is_not_finite(found).any(axis=1)
    nested = found.present & ((found.first == ord("[")) | (found.first == ord("{")))
    for path in np.flatnonzero(nested.any(axis=0)).tolist():
        texts = found.column(path)
        odd = pc.match_substring_regex(texts, _NOT_FINITE)
        regular &= ~np.asarray(pc.fill_null(odd, False)).astype(bool)
        deep = pc.greater(pc.count_substring(texts, "["), _SURELY_SHALLOW)
        regular &= ~np.asarray(pc.fill_null(deep, False)).astype(bool)
        objects = pc.fill_null(pc.match_substring(texts, "{"), False)
        regular[_repeats_keys(texts, np.flatnonzero(np.asarray(objects)))] = False
    loose = np.flatnonzero(~found.exact)  # white space, or numbers and escapes written otherwise
    if len(loose):
        rewritten = pc.match_substring_regex(take_lines(loose), _REWRITTEN)
        regular[loose[np.asarray(rewritten)]] = False
    for number in plan.not_objects:
        regular &= ~found.present[:, number] | (found.first[:, number] == ord("n"))
    return regular


def _is_not_finite(found: Extraction) -> Bools:
    """NaN and the infinities, which DuckDB reads though they are no JSON."""
    first: Bytes = found.first
    odd: Bools = (first == ord("N")) | (first == ord("I")) | (first == ord("i"))
    odd |= (first == ord("n")) & (found.lengths != len("null"))
    minus = first == ord("-")
    for path in np.flatnonzero(minus.any(axis=0)).tolist():
        second = TextView.of(found.texts[path]).byte_at(1)
        odd[:, path] |= minus[:, path] & ((second < ord("0")) | (second > ord("9")))
    return odd


def _repeats_keys(texts: pa.StringArray, rows: Ints) -> list[int]:
    """Return the rows whose value may have a key twice, which DuckDB keeps: written anew, such a value is another."""
    values = texts.take(pa.array(rows)).view(pa.binary()).to_pylist()
    return [row for row, text in zip(rows.tolist(), values, strict=True) if not _comes_back(text)]


def _comes_back(text: bytes) -> bool:
    try:
        return orjson.dumps(orjson.loads(text)) == text
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # numbers beyond double, or nested very deeply
        return False
