"""SELECT, INSERT, UPDATE, DELETE and MERGE: checked for what Redshift doesn't have, then written for PostgreSQL.

Belongs here: everything inside a query. Does not: which statement it is (`translate`), tables' shapes (`ddl`).
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlglot

from clickstream_platform_tests.redshift_stand_in.functions import (
    AGGREGATES,
    FIRST_ARGUMENT_IS_A_WORD,
    KNOWN,
    NO_FUNCTIONS,
    RENAMED,
    TYPES_REFUSED,
)
from clickstream_platform_tests.redshift_stand_in.lexer import Token, text_of, tokenize, words
from clickstream_platform_tests.redshift_stand_in.names import LongNames
from clickstream_platform_tests.redshift_stand_in.wire import SqlError

# What PostgreSQL takes and Redshift doesn't, as sequences of words.
_REFUSED = (
    "returning; on conflict; lateral; filter (; distinct on; for update; for share; for no key; for key; tablesample; "
    "fetch first; fetch next; array [; is distinct from; is not distinct from; rows from; not materialized; "
    "as materialized; with ordinality; range between; range unbounded; groups between; within group; pivot (; "
    "unpivot (; select top; connect by; approximate count; natural join"
)
_REFUSED_BY_FIRST: dict[str, list[list[str]]] = {}
for _text in _REFUSED.split("; "):
    _REFUSED_BY_FIRST.setdefault(_text.split()[0], []).append(_text.split())
_REFUSED_OPERATORS = frozenset({"->", "->>", "#>", "#>>", "@>", "<@", "?"})
_CATALOG = {
    ("pg_catalog", "pg_class"): "stand_in.pg_class",
    ("pg_catalog", "pg_attribute"): "stand_in.pg_attribute",
    ("information_schema", "columns"): "stand_in.columns",
    ("information_schema", "tables"): "stand_in.tables",
}


def unsupported(what: str, tokens: Sequence[Token]) -> SqlError:
    """Return the refusal of something that Redshift doesn't have or the stand-in doesn't know."""
    statement = text_of(tokens)[:300]
    return SqlError("0A000", f"the Redshift stand-in refuses {what}", f"Statement: {statement}")


class QueryWriter:
    """Writes the tokens of one query for PostgreSQL."""

    def __init__(self, tokens: Sequence[Token], names: LongNames, *, is_insert: bool = False) -> None:
        """Check the tokens; raise SqlError for what is refused."""
        if any(token.word == "qualify" for token in tokens):
            tokens = _without_qualify(tokens)
        self._in = list(tokens)
        self._names = names
        self._words = [token.word for token in self._in]
        self._refuse(is_insert=is_insert)

    def written(self) -> list[Token]:
        """Return the query's tokens for PostgreSQL."""
        out: list[Token] = []
        index = 0
        while index < len(self._in):
            index = self._one(index, out)
        return out

    def _one(self, index: int, out: list[Token]) -> int:
        """Write what starts at a token; return where the next starts."""
        token, word = self._in[index], self._words[index]
        if token.kind == "string" and token.text.startswith("'") and "\0" in token.text:
            raise SqlError("22021", "invalid byte sequence: NUL")
        catalog = self._catalog(index)
        if catalog:
            taken, text = catalog
            out.append(Token("word", text, token.space))
            return index + taken
        if word == "sysdate":
            out.append(Token("word", "stand_in.sysdate()", token.space))
            return index + 1
        if word == "minus" and self._word(index + 1) == "select":
            out.append(Token("word", "except", token.space))
            return index + 1
        if word == "varchar" and self._words[index + 1 : index + 4] == ["(", "max", ")"]:
            out.append(Token("word", "varchar(65535)", token.space))
            return index + 4
        if self._is_call(index):
            return self._call(index, out)
        out.append(self._names.token(token))
        return index + 1

    def _call(self, index: int, out: list[Token]) -> int:
        token, word = self._in[index], self._words[index]
        end = self._closing(index + 1)
        if word in ("first_value", "last_value"):
            return self._ignoring_nulls(index, end, out)
        out.append(Token("word", RENAMED.get(word, token.text), token.space))
        if word in FIRST_ARGUMENT_IS_A_WORD and self._in[index + 2].kind == "word":
            out += [self._in[index + 1], Token("string", f"'{self._words[index + 2]}'")]
            return index + 3
        return index + 1

    def _ignoring_nulls(self, index: int, end: int, out: list[Token]) -> int:
        """PostgreSQL has no IGNORE NULLS: an aggregate that passes over nulls gives the same in the same frame."""
        word, inside, after = self._words[index], end, end + 1
        if self._words[end - 2 : end] == ["ignore", "nulls"]:
            inside = end - 2
        elif self._words[end + 1 : end + 3] == ["ignore", "nulls"]:
            after = end + 3
        else:
            out.append(self._in[index])
            return index + 1
        argument = QueryWriter(self._in[index + 2 : inside], self._names).written()
        name = f"stand_in.{'first' if word == 'first_value' else 'last'}_non_null("
        out += [Token("word", name, self._in[index].space), *argument, Token("operator", ")")]
        return after

    def _catalog(self, index: int) -> tuple[int, str] | None:
        """Long names are only whole in the stand-in's own views of the catalog."""
        if self._word(index - 1) not in ("from", "join", ","):
            return None
        if self._word(index + 1) == ".":
            view = _CATALOG.get((self._word(index), self._word(index + 2)))
            alias = self._word(index + 2)
            taken = 3
        else:
            view = _CATALOG.get(("pg_catalog", self._word(index)))
            alias, taken = self._word(index), 1
        if view is None or (self._word(index - 1) == "," and not self._is_in_from(index)):
            return None
        following = self._in[index + taken] if index + taken < len(self._in) else Token("end", "")
        is_aliased = following.kind == "quoted" or (following.kind == "word" and following.word not in _AFTER_TABLE)
        return taken, view if is_aliased else f"{view} AS {alias}"

    def _is_in_from(self, index: int) -> bool:
        depth = 0
        for position in range(index - 1, -1, -1):
            word = self._words[position]
            depth += (word == ")") - (word == "(")
            if depth == 0 and word in ("from", "select", "where"):
                return word == "from"
        return False

    def _is_call(self, index: int) -> bool:
        token, word = self._in[index], self._words[index]
        if not token.is_name or self._word(index + 1) != "(" or word in NO_FUNCTIONS:
            return False
        start = index
        while self._word(start - 1) == ".":
            start -= 2
        before = self._word(start - 1)
        if before in ("into", "as", "with", "recursive", "table", "join") or self._is_common_table(index):
            return False
        is_alias = start == index and index > 0 and (self._in[index - 1].kind == "quoted" or before == ")")
        if is_alias:
            return False
        if start != index or token.kind != "word" or (word not in KNOWN and word not in RENAMED):
            raise SqlError("42883", f"the Redshift stand-in knows no function {text_of(self._in[start : index + 1])}")
        return True

    def _is_common_table(self, index: int) -> bool:
        """Tell whether it is `name (columns) AS (` of a WITH."""
        end = self._closing(index + 1)
        return self._words[end + 1 : end + 3] == ["as", "("]

    def _closing(self, index: int) -> int:
        depth = 0
        for position in range(index, len(self._words)):
            depth += (self._words[position] == "(") - (self._words[position] == ")")
            if depth == 0:
                return position
        raise SqlError("42601", f"syntax error: no closing parenthesis in: {text_of(self._in)[:200]}")

    def _word(self, index: int) -> str:
        return self._words[index] if 0 <= index < len(self._words) else ""

    def _refuse(self, *, is_insert: bool) -> None:
        words = self._words
        for index, word in enumerate(words):
            if not word:
                continue
            for sequence in _REFUSED_BY_FIRST.get(word, ()):
                if words[index : index + len(sequence)] == sequence:
                    raise unsupported(" ".join(sequence).upper(), self._in)
            if word in _REFUSED_OPERATORS:
                raise unsupported(f"the operator {word}", self._in)
            if word in TYPES_REFUSED and self._word(index - 1) in ("::", "as"):
                raise unsupported(f"the type {word.upper()}", self._in)
            if word in ("insert", "update", "delete") and index > 0 and self._word(index - 1) in ("(", "as"):
                raise unsupported(f"{word.upper()} inside a query", self._in)
            if word == "values" and not (is_insert and words[:index].count("(") == words[:index].count(")")):
                raise unsupported("VALUES as a relation", self._in)
            if word == "over" and self._word(index + 1) == "(":
                self._check_window(index)
            elif word == "over":
                raise unsupported("a named window", self._in)

    def _check_window(self, index: int) -> None:
        """Amazon Redshift Database Developer Guide, "Window functions": ORDER BY in an aggregate's needs a frame."""
        window = self._words[index + 1 : self._closing(index + 1)]
        if "order" not in window or "rows" in window:
            return
        depth, start = 0, index - 1
        while start > 0:
            depth += (self._words[start] == ")") - (self._words[start] == "(")
            if depth == 0 and self._words[start] == "(":
                break
            start -= 1
        if self._word(start - 1) in AGGREGATES:
            raise SqlError("0A000", "Aggregate window functions with an ORDER BY clause require a frame clause")


_AFTER_TABLE = words(
    "where join inner left right full cross on using group order having limit union except intersect natural "
    "offset , ) ;"
)


def _without_qualify(tokens: Sequence[Token]) -> list[Token]:
    """PostgreSQL has no QUALIFY: a subquery with the window function as a column gives the same."""
    text = text_of(tokens).replace("$", "__parameter_")
    try:
        written = sqlglot.parse_one(text, read="redshift").sql("postgres")
    except sqlglot.errors.SqlglotError as error:
        raise unsupported(f"this use of QUALIFY ({error})", tokens) from error
    if "qualify" in written.lower():
        raise unsupported("this use of QUALIFY", tokens)
    return tokenize(written.replace("__parameter_", "$"))
