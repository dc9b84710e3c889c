"""Every name that a user types goes unharmed through the registry, YAML, commands, partitions, object keys and SQL."""

from __future__ import annotations

import json
import re
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from clickstream_platform.defs import partitions
from clickstream_platform.defs.state import CustomerState
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.load.statements import CreateSchema, CreateTable
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.naming import customer_slug, event_slug
from clickstream_platform.model.object_keys import RawObjectKey, parse_quarantine_key, quarantine_key
from clickstream_platform.model.schemas import Column, ColumnType
from clickstream_platform.model.streams import Stream
from clickstream_platform.registry.exchange import apply_plan, export_document, from_yaml, plan_changes, to_yaml
from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.refusals import InvalidRequestError
from clickstream_platform.registry.service import RegistryService
from clickstream_platform.warehouses.duckdb_dialect import DuckDBDialect
from clickstream_platform_tests.registry.command_line import CommandLine
from clickstream_platform_tests.shared_data import needs_shared_data, read_json_lines, shared_data

CASES = ("2-segment-fixtures", "identifier_cases.jsonl")
STRINGS = ("5-edge-cases", "objects", "blns_values.ndjson")
HOUR = Hour.parse("2026-11-22T09")
START = HOUR.end
OWN = [
    "Order Completed", "order", "Order", "ORDER", "select", "no", "null", "true", "1", "1e3",
    "0x10", "_", "__", "-", "🛒", "注文完了", "Заказ", "ordre passé", "ordre passe\u0301", "İstanbul",
    "ﬁnd", "Ⅻ", "a|b", "a,b", "a...b", "[a...b]", "a/b", "../../etc/passwd", "a\\b", "a%2Fb", "a=b",
    "hour=2026", "CON", "nul.txt", ".hidden", "a b", " a ", "a\x09b", "a\x0ab", "a\x0d\x0ab",
    "\x1b[31mred", "\u202edrow", "zero\u200bwidth", "\ufeffbom", "a\x85b", "a\u2028b", "'", '"',
    '""', "`", ";--", "'; DROP TABLE orders; --", "Robert'); DROP SCHEMA acme;", "${HOME}", "$(id)",
    "%s", "{0}", "{{7*7}}", "<b>x</b>", "[bold]x[/bold]", "&amp;", "a" * 1_000, "é" * 500,
    "👩\u200d👩\u200d👧\u200d👦", "tracks", "Users", "_loads", "pg_catalog", "public", "main",
    "temp", "default", "events", "information_schema", "__ASSET_JOB", "asset", "#x", "# x", ": x",
    "- x", "* x", "& x", "! x", "|", ">", "warehouse",
]  # fmt: skip


def _shared(*parts: str) -> list[str]:
    if parts == CASES:
        return [case["identifier"] for case in read_json_lines(shared_data(*parts))]
    return [str(record["properties"]["value"]) for record in read_json_lines(shared_data(*parts))]


NAMES = [
    pytest.param(OWN, id="own"),
    pytest.param(CASES, id="identifier cases", marks=needs_shared_data(*CASES)),
    pytest.param(STRINGS, id="naughty strings", marks=needs_shared_data(*STRINGS)),
]


@pytest.fixture(params=NAMES)
def names(request: pytest.FixtureRequest) -> list[str]:
    """Give what users type, those apart that cannot be kept as typed (`test_what_cannot_be_kept_is_refused`)."""
    typed = request.param if request.param is OWN else _shared(*request.param)
    kept = [name for name in dict.fromkeys(typed) if _is_kept(name)]
    assert len(kept) > 0.9 * len(set(typed))
    return kept


def _is_kept(name: str) -> bool:
    return bool(name.strip()) and len(name) <= 1_000 and not re.search("[\0\ud800-\udfff]", name)


def _events(names: list[str]) -> dict[str, str]:
    """Return slugs with the first name of each; others that share it are the same event."""
    slugs: dict[str, str] = {}
    for name in names:
        slugs.setdefault(event_slug(name), name)
    return slugs


def test_registry_and_yaml(any_registry: RegistryService, names: list[str], tmp_path: Path) -> None:
    events = _events(names)
    noted = dict(list(events.items())[::3])
    customers: dict[str, str] = {}
    for name in names[1::3]:
        customers.setdefault(customer_slug(name), name)
    any_registry.add_customer("acme")
    with any_registry.together():
        for slug, name in events.items():
            any_registry.add_event("acme", slug, display_name=name)
        for slug, name in noted.items():
            any_registry.add_contract("acme", slug, "evolve", {"title": name, "properties": {name: {}}}, note=name)
        for name in names[::10]:
            any_registry.add_write_key("acme", name)
        for slug, name in customers.items():
            any_registry.add_customer(slug, display_name=name)

    assert {event.slug: event.display_name for event in any_registry.list_events("acme")} == events
    assert {each.event: each.note for each in any_registry.snapshot().contracts} == noted
    assert sorted(key.name for key in any_registry.list_write_keys("acme")) == sorted(names[::10])
    assert all(any_registry.get_customer(slug).display_name == name for slug, name in customers.items())
    assert {entry.name for entry in any_registry.list_audit("acme", limit=10_000)} >= set(events)

    exported = export_document(any_registry)
    with open_registry(f"sqlite:///{tmp_path / 'other.db'}", FixedClock(START)) as other:
        apply_plan(other, plan_changes(other, from_yaml(to_yaml(exported))))
        assert export_document(other) == exported


def test_commands(names: list[str], registry_url: str) -> None:
    cli = CommandLine(registry_url)
    cli.answer("customers", "add", "acme")
    events = dict(list(_events(names).items())[:: len(names) // 25 + 1])
    for slug, name in events.items():
        # As in every shell: a name that begins with a dash comes after two of them.
        added = cli.run("events", "add", "--json", "--", "acme", name)
        assert added.exit_code == 0, added.output
        assert (json.loads(added.stdout)["slug"], json.loads(added.stdout)["display_name"]) == (slug, name)
        paused = cli.run("events", "pause", "--json", "--", "acme", name)
        assert json.loads(paused.stdout)["slug"] == slug
    shown = cli.run("events", "list", "acme")
    assert shown.exit_code == 0
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown.stdout)


def test_partitions(names: list[str]) -> None:
    slugs = sorted(_events(names))
    customers = [CustomerState(customer_slug(name), name, "default", "duckdb") for name in names]
    with dg.DagsterInstance.ephemeral() as instance:
        acme = customers[0]
        assert set(partitions.add_events(instance, acme, slugs)) == set(slugs)
        assert set(instance.get_dynamic_partitions(acme.events_name)) == set(slugs)
        keys = set(partitions.customer_partitions(acme, HOUR).get_partition_keys(dynamic_partitions_store=instance))
        for slug in slugs:
            key = str(partitions.partition_key(slug, HOUR))
            assert key in keys
            assert partitions.event_of_key(key) == slug
            (order,) = partitions.orders_of(acme, [key])
            assert (order.hour, order.events) == (HOUR, (slug,))
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", each.name, re.ASCII) for each in customers)
    assert len({each.name for each in customers}) == len({each.slug for each in customers})


def test_object_keys(names: list[str]) -> None:
    for name in names:
        stream = Stream(customer_slug(name), event_slug(name))
        raw = RawObjectKey(HOUR, stream, "shard", "1", "2")
        assert RawObjectKey.parse(str(raw)) == raw
        assert parse_quarantine_key(quarantine_key(HOUR, stream, "abc")) == (stream, HOUR, "abc")
        for key in (str(raw), quarantine_key(HOUR, stream, "abc")):
            assert re.fullmatch(r"[A-Za-z0-9_.~%=/-]+", key, re.ASCII)
            assert len(key) <= 1_024


def test_sql(names: list[str], tmp_path: Path) -> None:
    columns = (Column("id", ColumnType.VARCHAR, 100), Column("event_text", ColumnType.VARCHAR, 4_000))
    expected: set[tuple[str, str, str]] = set()
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        for name in names:
            stream = Stream(customer_slug(name), event_slug(name))
            dialect = DuckDBDialect(stream.customer, "warehouse")
            for statement in (CreateSchema(), CreateTable(stream.event, columns)):
                for sql in dialect.render(statement):
                    connection.execute(sql.text.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1), sql.params)
            table = dialect.table(stream.event)
            connection.execute(f"INSERT INTO {table} VALUES (?, ?)", ["1", name])
            rows = connection.execute(f"SELECT event_text FROM {table}").fetchall()
            assert (name,) in rows
            expected.add((stream.customer, stream.event, name))
        catalog = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'warehouse'"
        ).fetchall()
    assert set(catalog) == {(customer, event) for customer, event, _ in expected}


@pytest.mark.parametrize("name", ["", " ", "\n\t", "a\0b", "\ud800", "x" * 1_001, "\0"])
def test_what_cannot_be_kept_is_refused(any_registry: RegistryService, name: str) -> None:
    any_registry.add_customer("acme")
    any_registry.add_event("acme", "a")
    with pytest.raises(InvalidRequestError):
        any_registry.update_event("acme", "a", display_name=name)
    with pytest.raises(InvalidRequestError):
        any_registry.update_customer("acme", display_name=name)
    with pytest.raises(InvalidRequestError):
        any_registry.add_write_key("acme", name)
    with pytest.raises(InvalidRequestError):
        any_registry.add_token(name, "admin")
    assert any_registry.get_event("acme", "a").display_name == "a"


def test_a_name_seen_is_kept_or_repaired_but_never_stops_an_hour(any_registry: RegistryService) -> None:
    any_registry.add_customer("acme")
    typed = [*OWN, "", " ", "a\0b", "half \ud800 pair", "x" * 5_000]
    seen = {slug: (name, 1) for slug, name in _events(typed).items()}
    any_registry.record_seen("acme", str(HOUR), seen)
    events = {event.slug: event for event in any_registry.list_events("acme")}
    assert set(events) == set(seen)
    for slug, (name, _) in seen.items():
        assert events[slug].display_name == name or not _is_kept(name)
