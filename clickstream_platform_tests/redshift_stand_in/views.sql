-- Redshift's system views as far as a loader reads them. Run after `catalog.sql`, with allow_system_table_mods on.

CREATE TABLE stand_in.load_errors (
  user_id int, query_id bigint, session_id int, database_name varchar, table_id oid, start_time timestamp,
  file_name varchar, line_number bigint, column_name varchar, column_type varchar, column_length varchar,
  "position" int, error_code int, error_message varchar, raw_line varchar, raw_field_value varchar
);
CREATE TABLE stand_in.query_history (
  query_id bigint, session_id int, username varchar, database_name varchar, query_type varchar, status varchar,
  start_time timestamp, end_time timestamp, elapsed_time bigint, error_message varchar, query_text varchar
);
GRANT SELECT ON stand_in.load_errors, stand_in.query_history TO PUBLIC;

CREATE VIEW stand_in.pg_class AS
SELECT oid, stand_in.real_name(relname) AS relname, relnamespace, reltype, relowner, relfilenode, relpages, reltuples,
       relhasindex, relkind, relnatts, relpersistence, relacl
FROM pg_catalog.pg_class;
CREATE VIEW stand_in.pg_attribute AS
SELECT attrelid, stand_in.real_name(attname) AS attname, atttypid, attlen, attnum, atttypmod, attnotnull, atthasdef, attisdropped
FROM pg_catalog.pg_attribute;

CREATE VIEW stand_in.relations AS
SELECT c.oid AS relation, n.nspname::varchar AS schema_name, stand_in.real_name(c.relname) AS table_name, c.relkind,
       stand_in.design(c.oid) AS design, pg_catalog.pg_table_is_visible(c.oid) AS is_visible
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'stand_in', 'pg_toast');
CREATE VIEW stand_in.relation_columns AS
SELECT r.*, stand_in.real_name(a.attname) AS column_name, a.attname::varchar AS inner_name, a.attnum::int AS ordinal_position,
       pg_catalog.format_type(a.atttypid, NULL)::varchar AS data_type,
       pg_catalog.format_type(a.atttypid, a.atttypmod)::varchar AS full_type,
       CASE WHEN a.atttypid = 'varchar'::regtype AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS character_maximum_length,
       a.attnotnull AS is_not_null, pg_catalog.pg_get_expr(d.adbin, d.adrelid)::varchar AS column_default
FROM stand_in.relations AS r JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.relation AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum;

CREATE VIEW stand_in.tables AS
SELECT current_database()::varchar AS table_catalog, schema_name AS table_schema, table_name,
       CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'BASE TABLE' END::varchar AS table_type
FROM stand_in.relations;
CREATE VIEW stand_in.columns AS
SELECT current_database()::varchar AS table_catalog, schema_name AS table_schema, table_name, column_name, ordinal_position,
       column_default, CASE WHEN is_not_null THEN 'NO' ELSE 'YES' END::varchar AS is_nullable, data_type, character_maximum_length
FROM stand_in.relation_columns;

CREATE VIEW pg_catalog.svv_tables AS SELECT *, NULL::varchar AS remarks FROM stand_in.tables;
CREATE VIEW pg_catalog.svv_columns AS SELECT *, NULL::varchar AS remarks FROM stand_in.columns;
CREATE VIEW pg_catalog.svv_all_tables AS
SELECT table_catalog AS database_name, table_schema AS schema_name, table_name, NULL::varchar AS table_acl,
       replace(table_type, 'BASE ', '')::varchar AS table_type, NULL::varchar AS remarks
FROM stand_in.tables;
CREATE VIEW pg_catalog.svv_redshift_tables AS SELECT * FROM pg_catalog.svv_all_tables;
CREATE VIEW pg_catalog.svv_redshift_columns AS
SELECT current_database()::varchar AS database_name, schema_name, table_name, column_name, ordinal_position,
       full_type AS data_type, column_default, CASE WHEN is_not_null THEN 'NO' ELSE 'YES' END::varchar AS is_nullable,
       coalesce(design -> 'encodings' ->> inner_name, 'auto')::varchar AS encoding,
       coalesce(design ->> 'distkey' = inner_name, false) AS distkey,
       coalesce((SELECT n FROM jsonb_array_elements_text(design -> 'sortkey') WITH ORDINALITY AS s (key, n) WHERE key = inner_name), 0)::int AS sortkey,
       NULL::varchar AS column_acl, NULL::varchar AS remarks
FROM stand_in.relation_columns;
CREATE VIEW pg_catalog.svv_all_columns AS
SELECT table_catalog AS database_name, table_schema AS schema_name, table_name, column_name, ordinal_position,
       column_default, is_nullable, data_type, character_maximum_length, NULL::varchar AS remarks
FROM stand_in.columns;
CREATE VIEW pg_catalog.svv_redshift_schemas AS
SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name, nspowner AS schema_owner, 'local'::varchar AS schema_type
FROM pg_catalog.pg_namespace WHERE nspname NOT IN ('stand_in', 'pg_toast');
CREATE VIEW pg_catalog.pg_table_def AS
SELECT c.schemaname, c.tablename, c."column", c.type, c.encoding, c.distkey, c.sortkey, c."notnull" FROM (
  SELECT r.is_visible, r.schema_name AS schemaname, r.table_name AS tablename, r.column_name AS "column", r.full_type AS type,
         s.encoding, s.distkey, s.sortkey, r.is_not_null AS "notnull"
  FROM stand_in.relation_columns AS r JOIN pg_catalog.svv_redshift_columns AS s USING (schema_name, table_name, column_name)
  WHERE r.relkind = 'r') AS c
WHERE c.is_visible;

-- Redshift leaves empty tables out. Unsorted share and stale statistics come from PostgreSQL's counters.
CREATE VIEW pg_catalog.svv_table_info AS
SELECT current_database()::varchar AS database, r.schema_name AS schema, r.relation::int AS table_id, r.table_name AS "table",
       CASE WHEN design -> 'encodings' = '{}' THEN 'Y, AUTO(ENCODE)' ELSE 'Y' END::varchar AS encoded,
       CASE WHEN design ->> 'diststyle' = 'KEY' THEN format('KEY(%s)', stand_in.real_name((design ->> 'distkey')::name))
            WHEN design ->> 'diststyle' = 'AUTO' THEN 'AUTO(ALL)' ELSE design ->> 'diststyle' END::varchar AS diststyle,
       coalesce(stand_in.real_name((design -> 'sortkey' ->> 0)::name), 'AUTO(SORTKEY)')::varchar AS sortkey1,
       (SELECT max(character_maximum_length) FROM stand_in.relation_columns AS c WHERE c.relation = r.relation) AS max_varchar,
       jsonb_array_length(design -> 'sortkey') AS sortkey_num,
       ceil(pg_relation_size(r.relation) / 1048576.0)::bigint AS size, 0::numeric(10, 4) AS pct_used, 0::bigint AS empty,
       CASE WHEN jsonb_array_length(design -> 'sortkey') > 0
            THEN least(100, round(100.0 * s.n_ins_since_vacuum / greatest(s.n_live_tup, 1), 2)) END::numeric(5, 2) AS unsorted,
       least(100, round(100.0 * s.n_mod_since_analyze / greatest(s.n_live_tup, 1), 2))::numeric(5, 2) AS stats_off,
       s.n_live_tup::numeric(38, 0) AS tbl_rows, 1.00::numeric(19, 2) AS skew_sortkey1, 1.00::numeric(19, 2) AS skew_rows,
       s.n_live_tup::numeric(38, 0) AS estimated_visible_rows, NULL::text AS risk_event, 0::numeric(12, 2) AS vacuum_sort_benefit
FROM stand_in.relations AS r JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = r.relation
WHERE r.relkind = 'r' AND pg_relation_size(r.relation) > 0;

CREATE VIEW pg_catalog.sys_load_error_detail AS
SELECT user_id, query_id, NULL::bigint AS transaction_id, session_id, database_name, table_id::int, start_time, file_name, line_number,
       column_name, column_type, column_length, "position", error_code, error_message
FROM stand_in.load_errors;
CREATE VIEW pg_catalog.stl_load_errors AS
SELECT user_id AS userid, 0 AS slice, table_id::int AS tbl, start_time AS starttime, session_id AS session, query_id::int AS query,
       file_name AS filename, line_number, column_name AS colname, column_type AS type, column_length AS col_length, "position",
       raw_line, raw_field_value, error_code AS err_code, error_message AS err_reason
FROM stand_in.load_errors;
CREATE VIEW pg_catalog.sys_query_history AS
SELECT query_id, session_id, username, database_name, query_type, status, start_time, end_time, elapsed_time, error_message, query_text
FROM stand_in.query_history;
CREATE VIEW pg_catalog.stv_slices AS SELECT 0 AS node, slice, slice AS localslice, 'D'::char AS type FROM generate_series(0, 1) AS slice;

GRANT SELECT ON ALL TABLES IN SCHEMA stand_in TO PUBLIC;
GRANT SELECT ON pg_catalog.svv_tables, pg_catalog.svv_columns, pg_catalog.svv_all_tables, pg_catalog.svv_redshift_tables,
  pg_catalog.svv_redshift_columns, pg_catalog.svv_all_columns, pg_catalog.svv_redshift_schemas, pg_catalog.pg_table_def,
  pg_catalog.svv_table_info, pg_catalog.sys_load_error_detail, pg_catalog.stl_load_errors, pg_catalog.sys_query_history,
  pg_catalog.stv_slices TO PUBLIC;
