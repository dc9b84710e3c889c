"""Names become quoted identifiers and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.warehouses.identifiers import MAX_IDENTIFIER_BYTES, quote_identifier

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=31)


@given(NAMES)
def test_a_quoted_name_can_be_read_back(name: str) -> None:
    quoted = quote_identifier(name)
    assert (quoted[0], quoted[-1]) == ('"', '"')
    assert quoted[1:-1].replace('""', "") == name.replace('"', "")
    assert quoted[1:-1].replace('""', '"') == name


def test_a_quote_can_not_end_the_name() -> None:
    assert quote_identifier('a" ; DROP TABLE "b') == '"a"" ; DROP TABLE ""b"'


@pytest.mark.parametrize("name", ["", "a\0b", "x" * (MAX_IDENTIFIER_BYTES + 1), "ü" * 64])
def test_what_no_warehouse_takes_is_refused(name: str) -> None:
    with pytest.raises(InvalidNameError, match="naming a table or column"):
        quote_identifier(name)
