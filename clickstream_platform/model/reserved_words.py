"""Names that a warehouse keeps for itself, in lower case.

Belongs here: the lists and where each comes from. Does not: what happens to a name on one of them (`model.naming`).

The lists decide table and column names of data that is already loaded: adding or removing a word renames columns and
needs a migration, so treat them as frozen and write a decision record for every change.
"""

from __future__ import annotations

# Amazon Redshift Database Developer Guide, "Reserved words": docs.aws.amazon.com/redshift/latest/dg/r_pg_keywords.html,
# complete. Lists of other tools have LANGUAGE and UUID, which are not on it, and lack INTERVAL, PIVOT, TIMESTAMP,
# UNNEST and UNPIVOT.
_REDSHIFT = """
aes128 aes256 all allowoverwrite analyse analyze and any array as asc authorization az64
backup between binary blanksasnull both bytedict bzip2
case cast check collate column constraint create credentials cross current_date current_time current_timestamp
current_user current_user_id
default deferrable deflate defrag delta delta32k desc disable distinct do
else emptyasnull enable encode encrypt encryption end except explicit
false for foreign freeze from full
globaldict256 globaldict64k grant group gzip
having
identity ignore ilike in initially inner intersect interval into is isnull
join
leading left like limit localtime localtimestamp lun luns lzo lzop
minus mostly16 mostly32 mostly8
natural new not notnull null nulls
off offline offset oid old on only open or order outer overlaps
parallel partition percent permissions pivot placing primary
raw readratio recover references rejectlog resort respect restore right
select session_user similar snapshot some sysdate system
table tag tdes text255 text32k then timestamp to top trailing true truncatecolumns
union unique unnest unpivot user using
verbose
wallet when where with without
"""
RESERVED_WORDS = frozenset(_REDSHIFT.split())

# Hidden columns of every PostgreSQL-like table: no column may be called so, not even in quotes. (`oid` is above.)
SYSTEM_COLUMNS = frozenset({"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"})

# Schemas that exist before any customer: in Redshift (`catalog_history`, `public`), DuckDB (`main`, `temp`) or both.
SYSTEM_SCHEMAS = frozenset({"catalog_history", "information_schema", "main", "public", "temp"})
SYSTEM_SCHEMA_PREFIX = "pg_"
