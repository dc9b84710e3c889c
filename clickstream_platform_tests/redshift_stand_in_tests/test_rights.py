"""A loader's own user, with the rights it was granted and no others."""

from __future__ import annotations

from contextlib import closing

import pytest

from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_stand_in_tests.client import Client, Parts, SqlFailedError, connect, refusal


def test_a_loader_with_a_user_of_its_own(
    stand_in: RedshiftStandIn, database: str, client: Client, parts: Parts
) -> None:
    client.run("CREATE USER loader_of_tests PASSWORD 'Secret-1'")
    client.run(f"GRANT CREATE, TEMP ON DATABASE {database} TO loader_of_tests")
    client.run("CREATE TABLE public.others (a BIGINT)")
    with closing(connect(stand_in, database, user="loader_of_tests", password="Secret-1")) as connection:
        loader = Client(connection)
        loader.run("CREATE SCHEMA shop")
        loader.run("CREATE TABLE shop.t (a BIGINT) SORTKEY(a)")
        loader.run("BEGIN")
        loader.run("LOCK TABLE shop.t")
        loader.run("CREATE TEMP TABLE staged (a BIGINT)")
        loader.run(parts.copy("staged", parts.parquet(a=[1, 2])))
        loader.run("INSERT INTO shop.t SELECT a FROM staged")
        loader.run("COMMIT")
        for view in ("svv_table_info", "svv_columns", "sys_load_error_detail", "stl_load_errors", "sys_query_history"):
            loader.run(f"SELECT COUNT(*) FROM {view}")
        assert loader.run("SELECT has_database_privilege(current_user, current_database(), 'CREATE')") == [(True,)]
        with pytest.raises(SqlFailedError) as refused:
            loader.run("SELECT * FROM public.others")
        assert refused.value.code == "42501"
        assert loader.run("SELECT COUNT(*) FROM shop.t") == [(2,)]
        loader.run("DROP SCHEMA shop CASCADE")
        loader.run("DROP TABLE staged")
    client.run(f"REVOKE ALL ON DATABASE {database} FROM loader_of_tests")
    client.run("DROP USER loader_of_tests")
    assert "password authentication failed" in refusal(stand_in, user="loader_of_tests", password="Secret-1")


def test_groups_and_roles(client: Client) -> None:
    client.run("CREATE SCHEMA shop")
    client.run("CREATE GROUP readers_of_tests")
    client.run("CREATE USER ann_of_tests PASSWORD DISABLE")
    client.run("ALTER GROUP readers_of_tests ADD USER ann_of_tests")
    client.run("GRANT USAGE ON SCHEMA shop TO GROUP readers_of_tests")
    client.run("ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO GROUP readers_of_tests")
    client.run("CREATE TABLE shop.t (a INT)")
    question = "SELECT has_schema_privilege('ann_of_tests', 'shop', 'usage'), "
    question += "has_table_privilege('ann_of_tests', 'shop.t', 'select')"
    assert client.run(question) == [(True, True)]
    client.run("ALTER GROUP readers_of_tests DROP USER ann_of_tests")
    assert client.run(question) == [(False, False)]
    client.run("CREATE ROLE auditors_of_tests")
    client.run("GRANT USAGE ON SCHEMA shop TO ROLE auditors_of_tests")
    client.run("GRANT SELECT ON ALL TABLES IN SCHEMA shop TO ROLE auditors_of_tests")
    client.run("GRANT ROLE auditors_of_tests TO ann_of_tests")
    assert client.run(question) == [(True, True)]
    client.run("DROP SCHEMA shop CASCADE")
    for kind, name in (("USER", "ann"), ("ROLE", "auditors"), ("GROUP", "readers")):
        client.run(f"DROP {kind} {name}_of_tests")
    with pytest.raises(SqlFailedError, match="ASSUMEROLE"):
        client.run("GRANT ASSUMEROLE ON 'arn' TO ann FOR COPY")
