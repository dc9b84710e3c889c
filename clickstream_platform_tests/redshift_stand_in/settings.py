"""SET, RESET and SHOW: the parameters that the stand-in knows, PostgreSQL's and Redshift's.

Belongs here: parameters. Does not: faults, which come the same way (`SET stand_in.fault TO '{…}'`, see `faults`).
"""

from __future__ import annotations

from clickstream_platform_tests.redshift_stand_in.lexer import Cursor, literal, text_of, words
from clickstream_platform_tests.redshift_stand_in.plans import Plan
from clickstream_platform_tests.redshift_stand_in.query import unsupported
from clickstream_platform_tests.redshift_stand_in.wire import SqlError

_POSTGRES = words(
    "application_name search_path statement_timeout timezone datestyle extra_float_digits client_encoding"
)
_REDSHIFT = words(
    "query_group wlm_query_slot_count enable_result_cache_for_session analyze_threshold_percent "
    "enable_case_sensitive_identifier describe_field_name_in_uppercase json_parse_truncate_strings "
    "json_serialization_enable json_serialization_parse_nested_strings enable_numeric_rounding "
    "max_cursor_result_set_size error_on_nondeterministic_update autocommit spectrum_query_maxerror use_fips_ssl"
)


def set_plan(cursor: Cursor) -> Plan:
    """Translate SET and RESET."""
    kind = cursor.tokens[0].text.upper()
    cursor.accept("session")
    scope = "LOCAL " if cursor.accept("local") else ""
    if cursor.accept("time", "zone"):
        return Plan("SET", f"SET {scope}TIME ZONE {text_of(cursor.rest())}")
    name = text_of(cursor.qualified_name()).lower()
    if kind == "RESET":
        return _reset(name, cursor)
    if not cursor.accept("to"):
        cursor.expect("=")
    value = cursor.rest()
    if name == "stand_in.fault":
        return Plan("CONTROL", control=value[0].value, tag="SET")
    text = text_of(value)
    if name == "client_encoding" and text.strip("'\"").lower() not in ("utf8", "utf-8", "unicode"):
        raise unsupported(f"the client encoding {text}", cursor.tokens)
    if name == "enable_case_sensitive_identifier" and text.strip("'\"").lower() not in ("off", "false", "default"):
        raise unsupported("case-sensitive identifiers", cursor.tokens)
    if name in _REDSHIFT:
        shown = value[0].value if len(value) == 1 and value[0].kind == "string" else text
        return Plan("SET", f"SET {scope}redshift.{name} TO {literal(shown)}")
    return Plan("SET", f"SET {scope}{_known(name)} TO {text}")


def show_plan(cursor: Cursor) -> Plan:
    """Translate SHOW."""
    name = text_of(cursor.qualified_name()).lower()
    if not cursor.is_done:
        raise unsupported("this form of SHOW", cursor.tokens)
    if name in _REDSHIFT:
        return Plan("SHOW", f"SELECT coalesce(current_setting('redshift.{name}', true), 'default') AS {name}")
    return Plan("SHOW", f"SHOW {name if name == 'transaction_isolation' else _known(name)}")


def _reset(name: str, cursor: Cursor) -> Plan:
    if not cursor.is_done:
        cursor.fail("the end")
    if name == "stand_in.fault":
        return Plan("CONTROL", control="", tag="RESET")
    if name in _REDSHIFT:
        return Plan("SET", f"SET redshift.{name} TO 'default'")
    return Plan("SET", f"RESET {_known(name)}")


def _known(name: str) -> str:
    if name not in _POSTGRES:
        raise SqlError("42704", f'unrecognized configuration parameter "{name}"')
    return name
