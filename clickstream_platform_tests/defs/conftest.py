"""An instance with definitions; and the warnings that are no errors, because Dagster itself gives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

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


@pytest.fixture(scope="session", autouse=True)
def _migrations_are_read_once() -> Iterator[None]:
    """Remember Dagster's migrations: for each of its three databases, it runs some fifty files each time it opens them.

    That was a third of what these tests take.
    """
    read, known = ScriptDirectory.from_config, dict[str | None, ScriptDirectory]()

    def from_config(config: Config) -> ScriptDirectory:
        folder = config.get_main_option("script_location")
        if folder not in known:
            known[folder] = read(config)
        return known[folder]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ScriptDirectory, "from_config", from_config)
        yield


@pytest.fixture
def bench() -> Iterator[Workbench]:
    """Give an instance with two customers, `acme` and `tiny`, on stand-in parts."""
    workbench = Workbench()
    yield workbench
    workbench.close()
