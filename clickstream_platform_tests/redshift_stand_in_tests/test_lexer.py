"""Tokens and names, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform_tests.redshift_stand_in.lexer import literal, text_of, tokenize
from clickstream_platform_tests.redshift_stand_in.names import MAX_BYTES, LongNames
from clickstream_platform_tests.redshift_stand_in.wire import SqlError

CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
WITHOUT_NUL = st.text(CHARACTERS)


@given(WITHOUT_NUL)
def test_a_literal_means_its_value(value: str) -> None:
    quoted = literal(value)
    (token,) = tokenize(quoted.removeprefix("E"))
    assert token.value == value


@given(WITHOUT_NUL.filter(bool))
def test_a_quoted_name_means_itself(name: str) -> None:
    (token,) = tokenize('"' + name.replace('"', '""') + '"')
    assert token.name == "".join(char.lower() if char.isascii() else char for char in name)


@given(st.lists(st.sampled_from(["SELECT", "'a''b\\'c'", '"x""y"', "$1", "1.5e3", "::", "注文", "(", "<=", "a.b"])))
def test_the_text_of_tokens_has_the_same_tokens(parts: list[str]) -> None:
    tokens = tokenize(" -- comment\n/* another */ ".join(parts))
    assert [token.text for token in tokenize(text_of(tokens))] == [token.text for token in tokens]


def test_what_no_token_starts_with() -> None:
    for sql in ("SELECT 'open", 'SELECT "open', "SELECT `x`", "SELECT \x01"):
        with pytest.raises(SqlError, match="syntax error"):
            tokenize(sql)


@given(st.text(CHARACTERS, min_size=1, max_size=MAX_BYTES))
def test_inner_names_stand_for_one_name_and_are_short(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "names"
    if len(name.encode()) > MAX_BYTES:
        with pytest.raises(SqlError):
            LongNames(folder).inner(name)
        return
    names = LongNames(folder)
    inner = names.inner(name)
    assert len(inner.encode()) <= 63
    assert names.real(inner) == name
    assert LongNames(folder).real(f"<{inner}>") == f"<{name}>"  # also after a restart


def test_names_that_are_too_long(tmp_path: Path) -> None:
    names = LongNames(tmp_path / "names")
    assert names.inner("x" * 127) != names.inner("x" * 126)
    for name in ("x" * 128, "ü" * 64, ""):
        with pytest.raises(SqlError):
            names.inner(name)
