"""The OpenAPI document against the API: what it describes is sent, and every answer is held against it."""

from __future__ import annotations

import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import one_of
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.access import Scope
from clickstream_platform.registry.entities import Contract
from clickstream_platform.registry.http.app import create_app
from clickstream_platform.registry.http.routing import api_routes
from clickstream_platform.registry.ports import DryRun, DryRunExample
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.conftest import START
from clickstream_platform_tests.registry.examples import examples
from clickstream_platform_tests.registry.http.conftest import SETTINGS
from clickstream_platform_tests.registry.http.serving import OWN, Api, add_tokens

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = {"admin": examples(3), "customer_write": examples(2)}
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
"""What fits the description, and what does not."""


class FixedProbe:
    """A probe that finds the same every time."""

    def dry_run(self, contract: Contract, hours: int) -> DryRun:
        return DryRun(hours, 3, 1, 0, {"/a type": 1}, (DryRunExample("raw/key", 1, ("/a: wrong",)),), True)

    def infer(self, customer: str, event: str, hours: int) -> dict[str, Any]:
        return {"type": "object"}


@pytest.fixture(params=sorted(EXAMPLES))
def asked(request: pytest.FixtureRequest, any_registry: RegistryService, clock: FixedClock) -> tuple[Scope, str, Any]:
    """Give a scope, its token and the description of an API where something exists."""
    tokens = add_tokens(any_registry)
    any_registry.add_event(OWN, "order")
    any_registry.add_contract(OWN, "order", "evolve", {"type": "object"})
    any_registry.record_seen(OWN, "2026-11-22T08", {"order": ("order", 1)}, samples={"order": {"a": 1}})
    app = create_app(any_registry, SETTINGS, clock=clock, probe=FixedProbe())
    schema = schemathesis.openapi.from_dict(deepcopy(app.openapi()))
    schema.app = app
    return request.param, tokens[request.param], schema


def test_every_answer_is_described(asked: tuple[Scope, str, Any]) -> None:
    scope, token, schema = asked
    choose, statuses = random.Random(7), set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES[scope],
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=one_of([operation.as_strategy(generation_mode=mode) for mode in MODES]))
        def ask(case: Any) -> None:
            known = {"customer": OWN, "event": "order", "version": 1, "name": "default"}
            if choose.random() < 0.6:  # what exists is hardly found by chance
                case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
            response = case.call(headers={"Authorization": f"Bearer {token}"})
            statuses.add(response.status_code)
            case.validate_response(response, checks=CHECKS)

        ask()
    assert {200, 404, 422} <= statuses
    assert (201 in statuses) == (scope == "admin") or 403 in statuses


def test_every_route_is_described_with_its_refusals(api: Api) -> None:
    described = api.app.openapi()
    for route in api_routes(api.app):
        if not route.include_in_schema:
            continue
        for method in route.methods or ():
            operation = described["paths"][route.path][method.lower()]
            assert operation.get("description"), route.path
            if route.needs is not None:
                assert {"401", "403", "406", "429", "500", "503"} <= operation["responses"].keys()
                content = operation["responses"]["403"]["content"]
                assert list(content) == ["application/problem+json"]


def test_the_document_holds_nothing_of_this_machine(api: Api) -> None:
    assert str(Path.home()) not in api.send("GET", "/openapi.json").text
    assert START.isoformat() not in api.send("GET", "/openapi.json").text
