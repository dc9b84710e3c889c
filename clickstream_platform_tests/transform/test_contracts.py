"""One record and its contract: what is taken out, refused or only counted, and with which numbers it is compared."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.records import DiscardReason
from clickstream_platform.record_contracts import checking
from clickstream_platform.record_contracts.bounds import InvalidSchemaError
from clickstream_platform.transform.contracts import (
    ContractMode,
    ContractRule,
    StreamContract,
    exact_numbers,
    number_of,
    open_contract,
    outermost,
)
from clickstream_platform.transform.json_values import RawNumber
from clickstream_platform.transform.records import FlatRecord, Note, read_record
from clickstream_platform_tests.transform.batches import track

ORDER = {
    "properties": {
        "price": {"type": "number"},
        "address": {"type": "object", "properties": {"zip": {"type": "string"}}, "required": ["city"]},
        "items": {"items": {"type": "integer"}},
        "deep": {"properties": {"er": {"properties": {"est": {"type": "string"}}}}},
    },
    "required": ["sku"],
    "additionalProperties": {"not": {"const": "forbidden"}},
}


def contract(mode: ContractMode, schema: dict[str, Any] | None = None, event: str = "sale") -> StreamContract:
    opened = open_contract(event, ContractRule(3, mode, ORDER if schema is None else schema))
    assert opened is not None
    return opened


def read(line: bytes, held: StreamContract, max_depth: int = 8, event: str = "sale") -> FlatRecord:
    return read_record(line, event, max_depth=max_depth, contract=held)[0]


def sale(**properties: object) -> bytes:
    return track("Sale", "m1", properties)


def own_columns(flat: FlatRecord) -> dict[str, str]:
    return {
        name: text for name, text in flat.columns.items() if name not in ("id", "event", "event_text", "received_at")
    }


def test_a_record_that_fits_is_the_same_in_every_mode() -> None:
    line = sale(sku="a", price=1.5, address={"zip": "1", "city": "x"}, items=[1], more="fine")
    plain = read_record(line, "sale", max_depth=8)[0]
    for mode in ("evolve", "freeze", "reject"):
        assert read(line, contract(mode)) == plain
        assert contract(mode).is_broken_by(line) is False


def test_evolve_loads_everything_and_tells() -> None:
    line = sale(price="x")
    flat = read(line, contract("evolve"))
    assert flat.is_broken
    assert (own_columns(flat), flat.notes) == ({"price": '"x"'}, [])


@pytest.mark.parametrize(
    ("properties", "columns", "discards"),
    [
        ({"sku": "a", "price": "x", "more": 1}, {"sku": '"a"', "more": "1"}, [("price", '"x"')]),
        ({"sku": "a", "price": None}, {"sku": '"a"'}, []),
        ({"sku": "a", "price": {}}, {"sku": '"a"'}, []),
        ({"sku": "a", "price": {"amount": 5}}, {"sku": '"a"'}, [("price", '{"amount":5}')]),
        ({"sku": "a", "address": "here"}, {"sku": '"a"'}, [("address", '"here"')]),
        (
            {"sku": "a", "address": {"zip": 1, "city": "x"}},
            {"sku": '"a"', "address_city": '"x"'},
            [("address_zip", "1")],
        ),
        # An array is one value: half of it would be another one.
        ({"sku": "a", "items": [1, "x", 2]}, {"sku": '"a"'}, [("items", '[1,"x",2]')]),
        ({"sku": "a", "b c": "forbidden"}, {"sku": '"a"'}, [("b_c", '"forbidden"')]),
        # What is missing is not mended by taking something else away.
        ({"price": 5}, {"price": "5"}, []),
        ({"sku": "a", "address": {"zip": "1"}}, {"sku": '"a"', "address_zip": '"1"'}, []),
        ({"address": {"zip": 1}}, {}, [("address_zip", "1")]),
    ],
)
def test_freeze_takes_out_the_values_that_break_it(
    properties: dict[str, object], columns: dict[str, str], discards: list[tuple[str, str]]
) -> None:
    flat = read(sale(**properties), contract("freeze"))
    assert flat.is_broken
    assert own_columns(flat) == columns
    assert flat.notes == [Note(column, text, DiscardReason.CONTRACT) for column, text in discards]


def test_freeze_with_a_closed_schema_discards_what_it_does_not_name() -> None:
    closed = {"properties": {"a": {}}, "additionalProperties": False}
    flat = read(sale(a=1, b=2, c={"d": 3}), contract("freeze", closed))
    assert own_columns(flat) == {"a": "1"}
    assert [(note.column, note.text) for note in flat.notes] == [("b", "2"), ("c", '{"d":3}')]


def test_freeze_leaves_a_record_that_is_wrong_as_a_whole() -> None:
    flat = read(sale(a=1), contract("freeze", {"minProperties": 2}))
    assert flat.is_broken
    assert (own_columns(flat), flat.notes) == ({"a": "1"}, [])


def test_a_value_below_the_depth_limit_is_discarded_from_its_column() -> None:
    flat = read(sale(sku="a", deep={"er": {"est": 1, "x": 2}}), contract("freeze"), max_depth=2)
    assert own_columns(flat) == {"sku": '"a"', "deep_er": '{"x":2}'}
    assert flat.notes == [Note("deep_er", "1", DiscardReason.CONTRACT)]


def test_a_discarded_number_keeps_its_digits() -> None:
    line = sale(sku="a", address={"zip": 0, "city": "x"}).replace(b'"zip":0', b'"zip":1.50000000000000000000001e2')
    assert read(line, contract("freeze")).notes == [
        Note("address_zip", "1.50000000000000000000001e2", DiscardReason.CONTRACT)
    ]


def test_a_repeated_key_stays_a_discard_of_its_own() -> None:
    line = sale(sku="a", price=1).replace(b'"price":1', b'"price":"first","price":"last"')
    assert read(line, contract("freeze")).notes == [
        Note("price", '"last"', DiscardReason.CONTRACT),
        Note("price", '"first"', DiscardReason.DUPLICATE_KEY),
    ]


def test_reject_names_places_and_rules_but_no_value() -> None:
    line = sale(price="SECRET", address={"zip": 9}, items=["SECRET", 1, "x", "y"])
    with pytest.raises(RejectedRecordError) as caught:
        read(line, contract("reject"))
    assert caught.value.reason == "contract"
    assert caught.value.detail == (
        "contract version 3: /address/city required; /address/zip type; /items/0 type; /items/2 type; /items/3 type; "
        "and 2 more"
    )


def test_another_fault_comes_before_the_contract() -> None:
    with pytest.raises(RejectedRecordError) as caught:
        read(track("Sale", "", {"price": "x"}), contract("reject"))
    assert caught.value.reason == "no_message_id"


@pytest.mark.parametrize("properties", [b"null", b"{}"])
def test_no_properties_are_no_values(properties: bytes) -> None:
    line = track("Sale", "m1").replace(b"{}", properties)
    assert read(line, contract("evolve")).is_broken  # `sku` is missing
    assert not read(line, contract("evolve", {"type": "object"})).is_broken
    absent = b'{"type":"track","event":"Sale","messageId":"m1"}'
    assert read(absent, contract("freeze")).is_broken
    assert contract("freeze", {}).is_broken_by(absent) is False


@pytest.mark.parametrize("mode", ["evolve", "freeze"])
def test_properties_that_are_no_object_break_every_contract_and_stay_the_discard_they_are(mode: ContractMode) -> None:
    line = track("Sale", "m1", {}).replace(b"{}", b'"text"')
    flat = read(line, contract(mode, {}))
    assert flat.is_broken
    assert flat.notes == [Note("properties", '"text"', DiscardReason.NOT_AN_OBJECT)]
    assert contract(mode, {}).is_broken_by(line)
    with pytest.raises(RejectedRecordError, match=r"contract version 3: / type"):
        read(line, contract("reject", {}))


@pytest.mark.parametrize(
    ("event", "kind", "section"),
    [("identifies", "identify", "traits"), ("groups", "group", "traits"), ("pages", "page", "properties")],
)
def test_a_contract_speaks_of_traits_or_properties_by_the_type_of_record(event: str, kind: str, section: str) -> None:
    held = contract("reject", {"properties": {"plan": {"enum": ["free"]}}}, event)
    line = orjson.dumps({"type": kind, "messageId": "m", "context": {"plan": "x"}, section: {"plan": "free"}})
    assert not read(line, held, event=event).is_broken
    with pytest.raises(RejectedRecordError, match="/plan enum"):
        read(line.replace(b"free", b"gold"), held, event=event)


def test_a_record_too_large_to_tell_its_faults_apart_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MAX_FINDINGS", 10)
    line = sale(sku="a", items=["x"] * 20)
    for mode in ("freeze", "reject"):
        with pytest.raises(RejectedRecordError, match="more ways than can be told apart"):
            read(line, contract(mode))
    assert read(line, contract("evolve")).is_broken
    assert not read(sale(sku="a", items=[1] * 20), contract("freeze")).is_broken


def test_a_schema_that_is_none_is_an_error_of_the_stream() -> None:
    with pytest.raises(InvalidSchemaError, match="anyOf"):
        contract("reject", {"type": "text"})
    assert open_contract("sale", None) is None


# Numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5),
        ("-0", 0),
        ("5.0", 5.0),
        ("1e5", 100000.0),
        ("19.990", 19.99),
        ("0.30000000000000000001", Decimal("0.30000000000000000001")),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("1e400", Decimal("1e400")),
        ("1e401", 10**400),
        ("-1e99999999999999999999", -(10**400)),
        ("9" * 5_000, 10**400),
        ("1e-99999999999999999999", 0.0),
    ],
)
def test_a_number_is_read_as_it_is_written(text: str, number: object) -> None:
    found = number_of(text)
    assert (type(found), found) == (type(number), number)


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_no_number_loses_a_digit(text: str) -> None:
    assert Decimal(str(number_of(text))) == Decimal(text)


def test_numbers_are_found_wherever_they_are_and_the_record_is_left_alone() -> None:
    record = {"a": [RawNumber("1"), {"b": RawNumber("2.5")}], "c": "3"}
    assert exact_numbers(record) == {"a": [1, {"b": 2.5}], "c": "3"}
    assert isinstance(record["a"][0], RawNumber)


def test_the_outermost_of_several_paths_is_taken_out() -> None:
    paths = {("a", "b"), ("a",), ("a!",), ("b", "c"), ("b", "c", "d")}
    assert outermost(paths) == [("a",), ("a!",), ("b", "c")]
