"""Names against the recorded results of Segment and RudderStack; each difference has exactly one documented class.

Belongs here: the classes of docs/deviations.md, section "Names", as predicates. Does not: the rules of naming
(`model/test_naming.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from clickstream_platform.model.naming import PLATFORM_TABLES, column_name, customer_slug, event_slug, snake_case
from clickstream_platform.model.reserved_words import RESERVED_WORDS
from clickstream_platform_tests.shared_data import REPOSITORY, needs_shared_data, read_json_lines, shared_data

FIXTURES = "2-segment-fixtures"
needs_fixtures = needs_shared_data(FIXTURES)

# Where RudderStack's list of reserved words and Redshift's differ.
ONLY_IN_RUDDERSTACK = frozenset({"language", "uuid", "mostly13"})
ONLY_IN_REDSHIFT = frozenset({"interval", "mostly16", "pivot", "timestamp", "unnest", "unpivot"})


@dataclass(frozen=True)
class Case:
    """One sent name, the platform's result, and the recorded one (empty when they had none)."""

    id: str
    sent: str
    ours: str
    theirs: str
    source: str  # segment | rudderstack
    option: str = ""  # divide-numbers | blendo-casing | other-warehouse


def _categories(text: str, kinds: str) -> set[str]:
    return {character for character in text if unicodedata.category(character)[0] in kinds}


def _is_no_letter(case: Case) -> bool:
    return not _categories(case.sent, "LN") and bool(re.fullmatch(r"(column|event|customer)_\d{10}", case.ours))


def _is_other_scripts(case: Case) -> bool:
    foreign = {character for character in _categories(case.sent, "LMN") if not character.isascii()}
    return bool(foreign and _categories(case.sent, "LN"))


def _is_ascii(case: Case) -> bool:
    return not _is_no_letter(case) and not _is_other_scripts(case) and not case.option


def _has_same_characters(case: Case) -> bool:
    return case.ours.replace("_", "") == case.theirs.replace("_", "")


def _is_word_breaks(case: Case) -> bool:
    differs = _has_same_characters(case) and case.ours.lstrip("_") != case.theirs
    return _is_ascii(case) and case.source == "segment" and differs


def _is_prefix(case: Case) -> bool:
    needs_prefix = case.theirs[:1].isdigit() or case.theirs in RESERVED_WORDS
    added = case.ours == f"_{case.theirs}" and not case.sent.startswith("_")
    return _is_ascii(case) and case.source == "segment" and needs_prefix and added


def _is_leading_underscores(case: Case) -> bool:
    kept = case.sent.startswith("_") and case.ours.lstrip("_") == case.theirs
    return _is_ascii(case) and case.source == "segment" and kept


def _is_reserved_list(case: Case) -> bool:
    only_theirs = case.theirs == f"_{case.ours}" and case.ours in ONLY_IN_RUDDERSTACK
    only_ours = case.ours == f"_{case.theirs}" and case.theirs in ONLY_IN_REDSHIFT
    return _is_ascii(case) and case.source == "rudderstack" and (only_theirs or only_ours)


def _is_too_long(case: Case) -> bool:
    beginning = re.sub(r"_\d{10}$", "", case.ours)
    return _is_ascii(case) and len(case.theirs) > min(len(case.ours), 100) and case.theirs.startswith(beginning)


def _is_platform_table(case: Case) -> bool:
    return _is_ascii(case) and case.ours == f"_{case.theirs}" and case.theirs in PLATFORM_TABLES


def _is_divide_numbers(case: Case) -> bool:
    extra = case.theirs.count("_") > case.ours.count("_")
    return case.option == "divide-numbers" and not _is_other_scripts(case) and _has_same_characters(case) and extra


def _is_blendo_casing(case: Case) -> bool:
    # Lower-cased as it stands: no word breaks at all, and symbols kept or each turned into `_`.
    letters, theirs = (re.sub("[^a-z0-9]", "", name) for name in (case.ours, case.theirs))
    return case.option == "blendo-casing" and letters == theirs


def _is_other_warehouse(case: Case) -> bool:
    return case.option == "other-warehouse" and bool(case.theirs)


CLASSES: dict[str, Callable[[Case], bool]] = {
    "other-scripts": _is_other_scripts,
    "no-letter": _is_no_letter,
    "word-breaks": _is_word_breaks,
    "prefix": _is_prefix,
    "leading-underscores": _is_leading_underscores,
    "reserved-list": _is_reserved_list,
    "too-long": _is_too_long,
    "platform-table": _is_platform_table,
    "divide-numbers": _is_divide_numbers,
    "blendo-casing": _is_blendo_casing,
    "other-warehouse": _is_other_warehouse,
}


def _score(cases: Iterable[Case]) -> Counter[str]:
    """Count agreements (`equal`) and differences by class; fail on a difference of no class or of several."""
    counts: Counter[str] = Counter()
    unexplained = []
    for case in cases:
        classes = [] if case.ours == case.theirs else [name for name, applies in CLASSES.items() if applies(case)]
        if case.ours != case.theirs and len(classes) != 1:
            unexplained.append((classes, case))
        counts.update(classes or ["equal"])
    assert not unexplained, "\n".join(f"{classes}: {case}" for classes, case in unexplained)
    return counts


def _identifier_cases() -> list[dict[str, Any]]:
    return read_json_lines(shared_data(FIXTURES, "identifier_cases.jsonl"))


def _compare(row: dict[str, Any], source: str) -> Iterator[Case]:
    sent, column, table = row["identifier"], column_name((row["identifier"],)), event_slug(row["identifier"])
    if source == "segment":
        yield Case(row["id"], sent, column, row["segment_go_snakecase"], source)
    else:
        yield Case(f"{row['id']} column", sent, column, row["rudder_rs"]["column"] or "", source)
        yield Case(f"{row['id']} table", sent, table, row["rudder_rs"]["table"] or "", source)


# The floors are what the rule reaches (795 of 918 and 222 of 459), rounded down: they catch a class that starts to
# swallow what was equal. Most of the rest are names in other scripts and, for Segment, prefixes.
@needs_fixtures
@pytest.mark.parametrize(("source", "least_equal"), [("rudderstack", 0.86), ("segment", 0.48)])
def test_identifier_cases(source: str, least_equal: float, record_property: Callable[[str, object], None]) -> None:
    """Each recorded identifier gives their column and table, or differs for exactly one documented reason."""
    counts = _score(case for row in _identifier_cases() for case in _compare(row, source))
    record_property("score", dict(counts))
    assert counts["equal"] >= least_equal * counts.total(), counts


@needs_fixtures
def test_ascii_names_are_those_of_rudderstack() -> None:
    """An ASCII name with a letter gives RudderStack's column unless the lists of reserved words differ."""
    cases = [next(_compare(row, "rudderstack")) for row in _identifier_cases() if row["identifier"].isascii()]
    counts = _score(cases)
    assert set(counts) <= {"equal", "no-letter", "reserved-list"}, counts


@needs_fixtures
def test_identifier_collisions() -> None:
    """Names that become one column there become the same column here, but for the documented classes."""
    source_of_rule = {"segment go-snakecase": "segment", "rudder rs column": "rudderstack"}
    cases = [
        Case(row["id"], sent, column_name((sent,)), row["to"], source_of_rule[row["rule"]])
        for row in read_json_lines(shared_data(FIXTURES, "identifier_collisions.jsonl"))
        for sent in row["identifiers"]
    ]
    assert _score(cases)["equal"] > len(cases) / 2


@needs_fixtures
def test_segment_snakecase_table() -> None:
    """The test table of go-snakecase itself."""
    rows = read_json_lines(shared_data(FIXTURES, "segment_snakecase_asserted.jsonl"))
    counts = _score(Case(row["id"], row["in"], column_name((row["in"],)), row["expected"], "segment") for row in rows)
    assert counts["equal"] >= len(rows) / 2


def _asserted_case(row: dict[str, Any]) -> Case:
    """Turn a row of RudderStack's own test tables into a case; the Go function says which of our names it is."""
    test, options = row["go_test"], {**(row.get("intrOpts") or {}), **(row.get("destOpts") or {})}
    sent = next(row[key] for key in ("in", "namespace", "tableName", "columnName") if key in row)
    expected = row["expected"]
    if "extractWords" in test:
        option = "" if test.endswith("WithNumbers") else "divide-numbers"
        return Case(row["id"], sent, snake_case(sent), "_".join(expected).lower(), "rudderstack", option)
    if "Namespace" in test:
        return Case(row["id"], sent, customer_slug(sent), expected, "rudderstack", "divide-numbers")
    # The casing is the same for all warehouses; what is "safe" and how long it may be is not.
    if "Safe" in test or row.get("destType") == "whutils.POSTGRES":
        option = "other-warehouse"
    elif options.get("useBlendoCasing"):
        option = "blendo-casing"
    else:
        option = "divide-numbers" if options.get("underscoreDivideNumbers") else ""
    ours = event_slug(sent) if "Table" in test else column_name((sent,))
    return Case(row["id"], sent, ours, expected, "rudderstack", option)


@needs_fixtures
def test_rudderstack_asserted_names() -> None:
    """RudderStack's own test tables, old options and other warehouses among them."""
    rows = read_json_lines(shared_data(FIXTURES, "rudder_names_asserted.jsonl"))
    counts = _score(map(_asserted_case, rows))
    assert counts["equal"] >= len(rows) / 2, counts


@needs_fixtures
def test_reserved_words_against_the_recorded_list() -> None:
    """The recorded list, without its trailing blanks, differs from Redshift's by exactly the known words."""
    text = shared_data(FIXTURES, "redshift_reserved_words.json").read_text(encoding="utf-8")
    recorded = {word.strip().lower() for word in re.findall(r'^"([A-Z0-9_ ]+)",?$', text, re.MULTILINE)}
    assert recorded - RESERVED_WORDS == ONLY_IN_RUDDERSTACK
    assert RESERVED_WORDS - recorded == ONLY_IN_REDSHIFT


def test_every_class_is_documented() -> None:
    """Each class is a row of the Names section, and each row with a predicate is used by it alone."""
    page = (REPOSITORY / "docs" / "deviations.md").read_text(encoding="utf-8")
    section = page.partition("## Names\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert set(CLASSES) | {"system-name", "standard-column", "name-collision"} == set(documented)
