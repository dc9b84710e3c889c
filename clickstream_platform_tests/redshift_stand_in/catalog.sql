-- What PostgreSQL gets so that it looks like Redshift: the type SUPER, VARCHAR by bytes, functions, system views.
-- Run once, in the template of all databases, with allow_system_table_mods on.

CREATE SCHEMA stand_in;
GRANT USAGE ON SCHEMA stand_in TO PUBLIC;
GRANT ALL ON SCHEMA public TO PUBLIC;

CREATE PROCEDURE stand_in.empty_database() LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
  PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend';
  FOR name IN SELECT nspname FROM pg_catalog.pg_namespace
    WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('information_schema', 'stand_in')
  LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP;
  CREATE SCHEMA public;
  GRANT ALL ON SCHEMA public TO PUBLIC;
  TRUNCATE stand_in.load_errors, stand_in.query_history;
END $$;

-- Long identifiers have inner names (`names.py`). Files are read because no transaction's snapshot hides them.
CREATE FUNCTION stand_in.long_name(inner_name text) RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER AS
$$ BEGIN RETURN coalesce(pg_read_file('../names/' || inner_name, 0, 1000, true), inner_name); END $$;
CREATE FUNCTION stand_in.real_name(inner_name name) RETURNS varchar LANGUAGE sql STABLE
RETURN CASE WHEN inner_name::text LIKE '%~%' THEN stand_in.long_name(inner_name::text) ELSE inner_name::text END;

-- VARCHAR(n) counts bytes: this replaces the function that fits a value into a column.
-- The value is an argument so that no planner works the error out beforehand.
CREATE FUNCTION stand_in.too_long(value varchar, size int) RETURNS varchar LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN RAISE EXCEPTION USING ERRCODE = '22001', MESSAGE = format('value too long for type character varying(%s)', size); END $$;
CREATE FUNCTION stand_in.cut(value varchar, size int) RETURNS varchar LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE bytes bytea := substring(convert_to(value, 'UTF8') FOR size);
BEGIN
  LOOP
    BEGIN RETURN convert_from(bytes, 'UTF8');
    EXCEPTION WHEN character_not_in_repertoire THEN bytes := substring(bytes FOR length(bytes) - 1); END;
  END LOOP;
END $$;
CREATE FUNCTION stand_in.fit_varchar(value varchar, typmod int, is_explicit boolean) RETURNS varchar LANGUAGE sql IMMUTABLE
RETURN CASE WHEN value IS NULL OR typmod < 4 OR octet_length(value) <= typmod - 4 THEN value
            WHEN is_explicit THEN stand_in.cut(value, typmod - 4)
            ELSE stand_in.too_long(value, typmod - 4) END;
UPDATE pg_cast SET castfunc = 'stand_in.fit_varchar(varchar, int, boolean)'::regprocedure
WHERE castsource = 'varchar'::regtype AND casttarget = 'varchar'::regtype;

-- SUPER: JSON text without blanks, with a type of its own.
CREATE TYPE pg_catalog.super;
CREATE FUNCTION stand_in.super_in(cstring) RETURNS pg_catalog.super LANGUAGE internal IMMUTABLE STRICT AS 'json_in';
CREATE FUNCTION stand_in.super_out(pg_catalog.super) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'json_out';
CREATE TYPE pg_catalog.super (INPUT = stand_in.super_in, OUTPUT = stand_in.super_out, LIKE = json);
CREATE CAST (json AS pg_catalog.super) WITHOUT FUNCTION;
CREATE CAST (pg_catalog.super AS json) WITHOUT FUNCTION;
CREATE FUNCTION stand_in.super_eq(super, super) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'byteaeq';
CREATE FUNCTION stand_in.super_ne(super, super) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'byteane';
CREATE FUNCTION stand_in.super_lt(super, super) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'bytealt';
CREATE FUNCTION stand_in.super_le(super, super) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'byteale';
CREATE FUNCTION stand_in.super_gt(super, super) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'byteagt';
CREATE FUNCTION stand_in.super_ge(super, super) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'byteage';
CREATE FUNCTION stand_in.super_cmp(super, super) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'byteacmp';
CREATE FUNCTION stand_in.super_hash(super) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'hashvarlena';
CREATE OPERATOR pg_catalog.= (LEFTARG = super, RIGHTARG = super, FUNCTION = stand_in.super_eq, COMMUTATOR = OPERATOR(pg_catalog.=), HASHES, MERGES);
CREATE OPERATOR pg_catalog.<> (LEFTARG = super, RIGHTARG = super, FUNCTION = stand_in.super_ne);
CREATE OPERATOR pg_catalog.< (LEFTARG = super, RIGHTARG = super, FUNCTION = stand_in.super_lt);
CREATE OPERATOR pg_catalog.<= (LEFTARG = super, RIGHTARG = super, FUNCTION = stand_in.super_le);
CREATE OPERATOR pg_catalog.> (LEFTARG = super, RIGHTARG = super, FUNCTION = stand_in.super_gt);
CREATE OPERATOR pg_catalog.>= (LEFTARG = super, RIGHTARG = super, FUNCTION = stand_in.super_ge);
CREATE OPERATOR CLASS stand_in.super_order DEFAULT FOR TYPE super USING btree AS
  OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
  FUNCTION 1 stand_in.super_cmp(super, super);
CREATE OPERATOR CLASS stand_in.super_hashes DEFAULT FOR TYPE super USING hash AS
  OPERATOR 1 pg_catalog.=, FUNCTION 1 stand_in.super_hash(super);
-- A text that comes into a SUPER column is a string there; only JSON_PARSE reads it as JSON.
CREATE FUNCTION stand_in.string_as_super(varchar) RETURNS super LANGUAGE sql IMMUTABLE STRICT RETURN to_json($1)::super;
CREATE FUNCTION stand_in.super_as_string(super) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT RETURN $1::json #>> '{}';
CREATE CAST (varchar AS super) WITH FUNCTION stand_in.string_as_super(varchar) AS ASSIGNMENT;
CREATE CAST (text AS super) WITH FUNCTION stand_in.string_as_super(varchar) AS ASSIGNMENT;
CREATE CAST (super AS varchar) WITH FUNCTION stand_in.super_as_string(super);

CREATE FUNCTION pg_catalog.json_parse(value varchar) RETURNS super LANGUAGE sql IMMUTABLE STRICT
RETURN regexp_replace(value::json::text, '("(?:[^"\\]|\\.)*")|\s+', '\1', 'g')::json::super;
CREATE FUNCTION pg_catalog.json_serialize(value super) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
RETURN CASE WHEN octet_length(value::json::text) > 65535 THEN stand_in.too_long(value::json::text, 65535) ELSE value::json::text END;
CREATE FUNCTION pg_catalog.json_typeof(value super) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT RETURN json_typeof(value::json);
CREATE FUNCTION pg_catalog.can_json_parse(value varchar) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN PERFORM value::json; RETURN true; EXCEPTION WHEN invalid_text_representation THEN RETURN false; END $$;
CREATE FUNCTION pg_catalog.is_valid_json(value varchar) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN RETURN json_typeof(value::json) IN ('object', 'array'); EXCEPTION WHEN invalid_text_representation THEN RETURN false; END $$;
CREATE FUNCTION stand_in.json_extract_path_text(value varchar, VARIADIC path varchar[]) RETURNS varchar LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN RETURN coalesce(value::json #>> path::text[], ''); END $$;

-- Other functions of Redshift.
CREATE FUNCTION stand_in.version() RETURNS varchar LANGUAGE sql IMMUTABLE
RETURN 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.999999';
CREATE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE RETURN date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC');
CREATE FUNCTION stand_in.sysdate() RETURNS timestamp LANGUAGE sql STABLE RETURN now() AT TIME ZONE 'UTC';
CREATE FUNCTION pg_catalog.len(value varchar) RETURNS int LANGUAGE sql IMMUTABLE STRICT RETURN length(value);
CREATE FUNCTION pg_catalog.dateadd(part text, amount bigint, moment timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT
RETURN moment + (amount || ' ' || part)::interval;
CREATE FUNCTION pg_catalog.datediff(part text, first_moment timestamp, last_moment timestamp) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  unit text := rtrim(lower(part), 's');
  shift interval := CASE WHEN unit = 'week' THEN interval '1 day' ELSE interval '0' END;
  a timestamp := date_trunc(unit, first_moment + shift);
  b timestamp := date_trunc(unit, last_moment + shift);
BEGIN
  RETURN CASE unit
    WHEN 'year' THEN extract(year FROM b) - extract(year FROM a)
    WHEN 'quarter' THEN (extract(year FROM b) - extract(year FROM a)) * 4 + extract(quarter FROM b) - extract(quarter FROM a)
    WHEN 'month' THEN (extract(year FROM b) - extract(year FROM a)) * 12 + extract(month FROM b) - extract(month FROM a)
    ELSE round(extract(epoch FROM b - a) / extract(epoch FROM ('1 ' || unit)::interval)) END;
END $$;
CREATE FUNCTION pg_catalog.convert_timezone(target text, moment timestamp) RETURNS timestamp LANGUAGE sql STABLE STRICT
RETURN (moment AT TIME ZONE 'UTC') AT TIME ZONE target;
CREATE FUNCTION pg_catalog.convert_timezone(source text, target text, moment timestamp) RETURNS timestamp LANGUAGE sql STABLE STRICT
RETURN (moment AT TIME ZONE source) AT TIME ZONE target;
CREATE FUNCTION pg_catalog.last_day(moment timestamp) RETURNS date LANGUAGE sql IMMUTABLE STRICT
RETURN (date_trunc('month', moment) + interval '1 month - 1 day')::date;
CREATE FUNCTION pg_catalog.add_months(moment timestamp, months int) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT
RETURN moment + months * interval '1 month';
CREATE FUNCTION pg_catalog.pg_last_query_id() RETURNS bigint LANGUAGE sql STABLE RETURN coalesce(current_setting('stand_in.last_query_id', true), '-1')::bigint;
CREATE FUNCTION pg_catalog.pg_last_copy_id() RETURNS bigint LANGUAGE sql STABLE RETURN coalesce(current_setting('stand_in.last_copy_id', true), '-1')::bigint;
CREATE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE RETURN coalesce(current_setting('stand_in.last_copy_count', true), '0')::bigint;
CREATE FUNCTION stand_in.keep_last(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $2';
CREATE FUNCTION stand_in.keep_first(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1';
CREATE AGGREGATE stand_in.last_non_null(anyelement) (SFUNC = stand_in.keep_last, STYPE = anyelement);
CREATE AGGREGATE stand_in.first_non_null(anyelement) (SFUNC = stand_in.keep_first, STYPE = anyelement);

-- Physical design: kept as the table's comment, so that it comes and goes with the table's transaction.
CREATE FUNCTION stand_in.design(relation oid) RETURNS jsonb LANGUAGE sql STABLE
RETURN coalesce(obj_description(relation, 'pg_class')::jsonb, '{"diststyle": "AUTO", "distkey": "", "sortkey": [], "encodings": {}}');
CREATE FUNCTION stand_in.keep_design(relation regclass, design jsonb) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN EXECUTE format('COMMENT ON TABLE %s IS %L', relation, design); END $$;
CREATE FUNCTION stand_in.copy_design(source regclass, target regclass) RETURNS void LANGUAGE sql AS
$$ SELECT stand_in.keep_design(target, stand_in.design(source)) $$;
CREATE FUNCTION stand_in.note_whether_exists(relation text) RETURNS void LANGUAGE sql AS
$$ SELECT set_config('stand_in.existed', (to_regclass(relation) IS NOT NULL)::text, false) $$;
CREATE FUNCTION stand_in.comment_if_new(relation text, statement text) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN IF current_setting('stand_in.existed') = 'false' THEN EXECUTE statement; END IF; END $$;
CREATE FUNCTION stand_in.refuse_key_column(relation regclass, column_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE design jsonb := stand_in.design(relation);
BEGIN
  IF design ->> 'distkey' = column_name OR design -> 'sortkey' ? column_name THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('cannot drop distkey or sortkey column "%s"', column_name);
  END IF;
END $$;
CREATE FUNCTION stand_in.rename_in_design(relation regclass, old_name text, new_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE design jsonb := stand_in.design(relation);
BEGIN
  IF design ->> 'distkey' = old_name THEN design := jsonb_set(design, '{distkey}', to_jsonb(new_name)); END IF;
  IF design -> 'sortkey' ? old_name THEN
    design := jsonb_set(design, '{sortkey}', (SELECT jsonb_agg(CASE WHEN key = old_name THEN new_name ELSE key END) FROM jsonb_array_elements_text(design -> 'sortkey') AS key));
  END IF;
  PERFORM stand_in.keep_design(relation, design);
END $$;
CREATE FUNCTION stand_in.column_length(relation regclass, column_name text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE col record;
BEGIN
  SELECT atttypid, atttypmod, atthasdef INTO col FROM pg_catalog.pg_attribute
  WHERE attrelid = relation AND attname = column_name AND attnum > 0 AND NOT attisdropped;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42703', MESSAGE = format('column "%s" of relation "%s" does not exist', column_name, relation);
  END IF;
  RETURN CASE WHEN col.atttypid = 'varchar'::regtype THEN col.atttypmod - 4 ELSE -1 END;
END $$;
CREATE FUNCTION stand_in.check_widening(relation regclass, column_name text, new_length int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE old_length int := stand_in.column_length(relation, column_name); longest int;
BEGIN
  IF old_length < 0 THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('cannot alter type of a column that is no VARCHAR: "%s"', column_name);
  ELSIF old_length = new_length THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = 'target column size should be different';
  ELSIF EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = relation AND attname = column_name AND atthasdef) THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('cannot alter type of a column with a default: "%s"', column_name);
  END IF;
  EXECUTE format('SELECT max(octet_length(%I)) FROM %s', column_name, relation) INTO longest;
  IF longest > new_length THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('cannot reduce the size of "%s" below its longest value, %s bytes', column_name, longest);
  END IF;
END $$;
CREATE FUNCTION stand_in.append_table(target regclass, source regclass, mode text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE shared text; extra int; missing int;
BEGIN
  WITH t AS (SELECT * FROM pg_catalog.pg_attribute WHERE attrelid = target AND attnum > 0 AND NOT attisdropped),
       s AS (SELECT * FROM pg_catalog.pg_attribute WHERE attrelid = source AND attnum > 0 AND NOT attisdropped)
  SELECT string_agg(quote_ident(t.attname), ', ') FILTER (WHERE t.attname IS NOT NULL AND s.attname IS NOT NULL),
         count(*) FILTER (WHERE t.attname IS NULL), count(*) FILTER (WHERE s.attname IS NULL) INTO shared, extra, missing
  FROM t FULL JOIN s ON t.attname = s.attname AND t.atttypid = s.atttypid AND t.atttypmod = s.atttypmod;
  IF (extra > 0 AND mode <> 'ignoreextra') OR (missing > 0 AND mode <> 'filltarget') OR shared IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = 'ALTER TABLE APPEND needs the same columns in both tables';
  END IF;
  EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s', target, shared, shared, source);
  EXECUTE format('DELETE FROM %s', source);
END $$;
