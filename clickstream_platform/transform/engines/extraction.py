"""One extraction: the JSON texts of many paths from many lines, and the proof that nothing else is in a line.

DuckDB parses each line once and gives the JSON text of every known path. A line is *regular* when the bytes of its
minified form are exactly accounted for by the known paths: then it has no other member, no key twice, nothing that the
paths don't show. Every other line goes to the single engine. See docs/decisions/0002-engine.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clickstream_platform.transform.engines.paths import FrozenPlan
from clickstream_platform.transform.texts import Bools, Bytes, Ints, TextView

_LENIENT_COMMA = r",\s*[\]}]"
_NOT_FINITE = r"NaN|Infinity|\binf\b|\bnan\b"
Matrix = npt.NDArray[np.int64]


@dataclass(slots=True)
class Extraction:
    """Texts of P paths of N valid lines: `texts` has N x (P + 1) values, row by row; `valid` marks JSON."""

    valid: Bools
    minified: Ints
    texts: pa.StringArray
    first: npt.NDArray[np.uint8]
    lengths: Matrix
    present: Bools

    def column(self, path: int, rows: Ints | None = None) -> pa.StringArray:
        """Return the texts of one path (of some rows), null where it is absent, JSON null or a flattened object."""
        leaf = self.present[:, path] & (self.first[:, path] != ord("n"))
        if rows is None:
            rows = np.arange(len(leaf))
        else:
            leaf = leaf[rows]
        places = rows * (self.lengths.shape[1] + 1) + path
        return self.texts.take(pa.array(places) if leaf.all() else pa.array(places, mask=~leaf))


def extract(connection: duckdb.DuckDBPyConnection, lines: pa.StringArray, plan: FrozenPlan) -> Extraction:
    """Extract all paths of the plan from lines of valid UTF-8."""
    pointers = ", ".join(f"'{pointer}'" for pointer in (*plan.pointers, "$"))
    connection.register("chunk_lines", pa.table({"line": lines}))
    query = f"""
        SELECT CASE WHEN json_valid(line) THEN json_extract(line, [{pointers}]) END AS texts FROM chunk_lines
    """  # noqa: S608 - pointers are made of plain keys only, see paths.py
    table = connection.sql(query).to_arrow_table().combine_chunks()
    connection.unregister("chunk_lines")
    texts_list = table.column("texts").chunk(0)
    valid = np.asarray(pc.is_valid(texts_list))
    texts = texts_list.flatten()
    if isinstance(texts, pa.ExtensionArray):
        texts = texts.storage
    if not pa.types.is_string(texts.type):
        texts = texts.cast(pa.string())
    width = len(plan.pointers) + 1  # the last is the whole line, minified
    view = TextView.of(texts)
    lengths = np.where(view.valid, view.lengths, 0).reshape(-1, width)
    first = np.where(view.valid, view.byte_at(0), 0).astype(np.uint8).reshape(-1, width)
    return Extraction(
        valid=valid,
        minified=lengths[:, -1],
        texts=texts,
        first=first[:, :-1],
        lengths=lengths[:, :-1],
        present=view.valid.reshape(-1, width)[:, :-1].copy(),
    )


def find_regular(found: Extraction, plan: FrozenPlan, lines: pa.StringArray, line_bytes: Ints) -> Bools:
    """Mark the valid lines that the plan accounts for to the last byte; also turn flattened objects into absent values.

    `lines` and `line_bytes` (without line end) are those of the valid lines.
    """
    objects = (found.first == ord("{")) & ~plan.opaque
    flattened = objects & (found.lengths > 2)
    found.present &= ~flattened
    sizes = np.where(flattened, 0, found.lengths)
    total = 1 + sizes.sum(axis=1) + found.present @ plan.key_cost
    for cost, below in plan.containers:
        total += np.where(found.present[:, below].any(axis=1), cost, 0)
    regular: Bools = total == found.minified
    found.present &= ~objects  # an empty object is no value either
    regular &= ~_is_not_finite(found).any(axis=1)
    nested = found.present & ((found.first == ord("[")) | (found.first == ord("{")))
    for path in np.flatnonzero(nested.any(axis=0)):
        odd = pc.match_substring_regex(found.column(int(path)), _NOT_FINITE)
        regular &= ~np.asarray(pc.fill_null(odd, False)).astype(bool)
    loose = np.flatnonzero(found.minified != line_bytes)  # white space, or numbers and escapes written otherwise
    if len(loose):
        commas = pc.match_substring_regex(lines.take(pa.array(loose)), _LENIENT_COMMA)
        regular[loose[np.asarray(commas)]] = False
    for number in plan.not_objects:
        regular &= ~found.present[:, number] | (found.first[:, number] == ord("n"))
    return regular


def _is_not_finite(found: Extraction) -> Bools:
    """NaN and the infinities, which DuckDB reads though they are no JSON."""
    first: Bytes = found.first
    odd: Bools = (first == ord("N")) | (first == ord("I")) | (first == ord("i"))
    minus = first == ord("-")
    if minus.any():
        second = TextView.of(found.texts).byte_at(1).reshape(len(first), -1)[:, :-1]
        odd |= minus & ((second < ord("0")) | (second > ord("9")))
    return odd
