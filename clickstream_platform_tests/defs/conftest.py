"""An instance with definitions; and the warnings that are no errors, because Dagster itself gives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_platform_tests.defs.stand_ins import Workbench

DAGSTERS_OWN = (
    "ignore:The `__fields__` attribute is deprecated:pydantic.warnings.PydanticDeprecatedSince20",
    "ignore:Property .ScheduleDefinition:DeprecationWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for text in DAGSTERS_OWN:
                item.add_marker(pytest.mark.filterwarnings(text))


@pytest.fixture
def bench() -> Iterator[Workbench]:
    """Give an instance with two customers, `acme` and `tiny`, on stand-in parts."""
    workbench = Workbench()
    yield workbench
    workbench.close()
