"""The functions of Redshift that the stand-in knows, and what PostgreSQL calls them; all others are refused by name.

Belongs here: lists. Does not: how a call is rewritten (`query`), functions of the stand-in's own (`catalog.sql`).
"""

from __future__ import annotations

from clickstream_platform_tests.redshift_stand_in.lexer import words

AGGREGATES = words(
    "count sum avg min max bool_and bool_or stddev stddev_samp stddev_pop variance var_samp var_pop "
    "first_value last_value"
)
_RANKING = "row_number rank dense_rank percent_rank cume_dist ntile lag lead nth_value"
_GENERAL = (
    "coalesce nullif greatest least cast extract exists date_trunc date_part to_char to_date to_timestamp to_number "
    "lower upper trim btrim ltrim rtrim substring left right replace concat md5 length char_length character_length "
    "octet_length position strpos split_part reverse repeat lpad rpad initcap chr ascii translate abs round ceil "
    "ceiling floor sign sqrt power exp ln log mod trunc random pi degrees radians age current_schema current_schemas "
    "current_database version pg_backend_pid has_schema_privilege has_table_privilege has_database_privilege "
    "has_column_privilege format_type pg_get_userbyid pg_get_viewdef pg_table_is_visible quote_ident quote_literal "
    "current_setting txid_current obj_description pg_terminate_backend pg_cancel_backend regexp_count "
    "json_parse json_serialize json_typeof "
    "is_valid_json can_json_parse dateadd datediff "
    "getdate len add_months last_day convert_timezone "
    "pg_last_query_id pg_last_copy_id pg_last_copy_count"
)
KNOWN = AGGREGATES | words(f"{_RANKING} {_GENERAL}")
RENAMED = {
    "nvl": "coalesce",
    "version": "stand_in.version",
    "json_extract_path_text": "stand_in.json_extract_path_text",
}
FIRST_ARGUMENT_IS_A_WORD = frozenset({"dateadd", "datediff", "date_part"})
SESSION_FUNCTIONS = frozenset({"pg_last_query_id", "pg_last_copy_id", "pg_last_copy_count"})

# Words before a parenthesis that are no functions.
NO_FUNCTIONS = words(
    "and or not in exists values as on using over by from where select when then else case union all any some except "
    "intersect minus distinct having join limit offset between like ilike is set into with partition table key "
    "varchar char character varying nvarchar nchar bpchar numeric decimal timestamp time timestamptz timetz float "
    "varbyte interval rows filter group order default similar to returning recursive if end only insert"
)
TYPES_REFUSED = words(
    "json jsonb bytea serial bigserial smallserial uuid xml inet cidr macaddr tsvector tsquery money point hstore "
    "regproc text_array int4range"
)
