"""The definitions load for any number of customers, and what is in them."""

from __future__ import annotations

import re

import dagster as dg
import pytest

from clickstream_platform.defs.customers import assemble
from clickstream_platform.defs.state import CustomerState, DefinitionsState
from clickstream_platform_tests.defs.stand_ins import state_of


@pytest.mark.parametrize("customers", [0, 1, 50])
def test_definitions_load_without_warnings(customers: int) -> None:
    defs = assemble(state_of(*(f"customer_{number}" for number in range(customers))))
    dg.Definitions.validate_loadable(defs)
    assert len(defs.resolve_asset_graph().get_all_asset_keys()) == 3 * customers
    assert sorted(sensor.name for sensor in defs.sensors or ()) == ["freshness", "hours", "registry", "unusual"]


def test_each_customer_has_a_group_of_three_chained_assets_partitioned_by_hour_and_event() -> None:
    graph = assemble(state_of("acme", "tiny")).resolve_asset_graph()
    raw, staged, tables = (dg.AssetKey(["acme", step]) for step in ("raw_batches", "staged_batches", "event_tables"))
    assert graph.get(staged).parent_keys == {raw}
    assert graph.get(tables).parent_keys == {staged}
    for key in (raw, staged, tables):
        node = graph.get(key)
        assert (node.group_name, node.owners) == ("acme", ["team:clickstream"])
        assert isinstance(node.partitions_def, dg.MultiPartitionsDefinition)
        assert node.partitions_def.partition_dimension_names == ["event", "hour"]
    assert graph.get(tables).kinds == {"duckdb", "table"}
    assert {check.name for check in graph.asset_check_keys} == {
        "reconciliation", "freshness", "duration", "volume", "content",
    }  # fmt: skip


def test_a_customer_of_any_script_has_names_that_dagster_accepts_and_keeps_its_own() -> None:
    state = state_of("注文", "café", "acme")
    dg.Definitions.validate_loadable(assemble(state))
    names = [customer.name for customer in state.customers]
    assert names[2] == "acme"
    assert all(re.fullmatch("[A-Za-z0-9_]+", name) for name in names)
    assert len(set(names)) == 3
    assert [customer.events_name for customer in state.customers] == ["events/注文", "events/café", "events/acme"]


def test_the_pool_lets_one_writer_into_a_schema_or_into_a_warehouse_that_is_one_file() -> None:
    assert CustomerState("acme", "Acme", "default", "duckdb").pool == "warehouse/default"
    assert CustomerState("acme", "Acme", "main", "redshift").pool == "warehouse/main/acme"


def test_the_state_reads_back_as_it_was() -> None:
    state = state_of("acme", "注文")
    assert DefinitionsState.from_json(state.to_json()) == state
