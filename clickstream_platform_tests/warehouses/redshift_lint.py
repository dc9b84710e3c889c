"""Is a text Redshift's SQL? As far as sqlglot's Redshift dialect can tell.

Belongs here: parsing. Does not: what statements mean (the stand-in runs them).
"""

from __future__ import annotations

import logging
import re

import sqlglot
from sqlglot import exp

from clickstream_platform.model.reserved_words import RESERVED_WORDS

# What the parser passes over although Redshift has it; each form is written out, so nothing else slips through.
_UNKNOWN_TO_PARSER = (
    r'LOCK TABLE "[^"]+"\."[^"]+"',
    r'ALTER TABLE "[^"]+"\."[^"]+" ALTER COLUMN "[^"]+" ENCODE ZSTD',
    r"BEGIN( READ ONLY)?|COMMIT|ROLLBACK",
    r"SET statement_timeout TO \d+|SET query_group TO '[^']+'",
)
_ALIAS = re.compile(r"\bAS ([a-z_]+)\b(?!\()")
_LOSSY = re.compile(r"MAXERROR|TRUNCATECOLUMNS|ACCEPTINVCHARS|FILLRECORD|IGNOREBLANKLINES|NOLOAD|ACCEPTANYDATE", re.I)


def check(text: str) -> None:
    """Raise AssertionError or sqlglot's ParseError unless the text is one statement of Redshift's SQL."""
    assert not _LOSSY.search(text), text
    assert not set(_ALIAS.findall(text)) & RESERVED_WORDS, text
    if any(re.fullmatch(form, text) for form in _UNKNOWN_TO_PARSER):
        return
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    parsed = sqlglot.parse(text.replace(" ENCODE AUTO", ""), read="redshift")
    assert len(parsed) == 1, text
    assert not isinstance(parsed[0], exp.Command), f"unknown to the parser: {text}"
