"""What Dagster keeps of an error that a run ends in: where it was, and nothing that it quotes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from clickstream_platform.defs.failures import MAX_CHAIN, fit_to_keep
from clickstream_platform.errors import WarehouseUnavailableError
from clickstream_platform_tests.defs.stand_ins import Workbench
from clickstream_platform_tests.pipeline.stand_ins import NINE

PLANTED = ("jane planted", "31415926535")
VALUE, NUMBER = PLANTED  # stack traces have source lines, in which only these names stand


@pytest.fixture
def bench() -> Iterator[Workbench]:
    workbench = Workbench()
    yield workbench
    workbench.close()


def fault_of_ours(*_: Any, **__: Any) -> Any:
    raise ValueError(f"could not convert '{VALUE}' to {NUMBER}")


def chain(*_: Any, **__: Any) -> Any:
    try:
        fault_of_ours()
    except ValueError as error:
        raise WarehouseUnavailableError("connecting", cause="no answer", remedy="Wait.") from error


def chain_without_cause(*_: Any, **__: Any) -> Any:
    try:
        fault_of_ours()
    except ValueError:
        raise WarehouseUnavailableError("connecting", cause="no answer", remedy="Wait.")  # noqa: B904


@pytest.mark.parametrize("fail", [fault_of_ours, chain, chain_without_cause])
@pytest.mark.parametrize("part", ["loader.load", "registry.get_customer"])
def test_dagster_keeps_no_value_that_an_error_quotes(
    bench: Workbench, part: str, fail: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.wiring.put("acme", "order", NINE)
    request = bench.tick("hours").run_requests[0]
    owner, _, method = part.partition(".")
    monkeypatch.setattr(getattr(bench.wiring, owner), method, fail)
    monkeypatch.setattr("clickstream_platform.defs.failures.MAX_RETRIES", 1)
    monkeypatch.setattr("clickstream_platform.defs.failures.FIRST_WAIT_SECONDS", 0)
    result = bench.run(request)
    assert not result.success
    kept = "".join(dg.serialize_value(entry) for entry in bench.instance.all_logs(result.run_id))
    assert [planted for planted in PLANTED if planted in kept] == []
    assert "in fault_of_ours" in kept or "fault_of_ours()" in kept, "where it was must stay"
    console = capfd.readouterr()
    assert [planted for planted in PLANTED if planted in console.out + console.err] == []


def test_an_error_of_a_long_chain_ends() -> None:
    error: Exception = ValueError("0")
    for number in range(50):
        following = ValueError(f"'jane' {number}")
        following.__cause__, error = error, following
    kept: BaseException | None = fit_to_keep(error)
    texts = []
    while kept is not None:
        texts.append(str(kept))
        kept = kept.__cause__
    assert len(texts) == MAX_CHAIN
    assert texts[0].startswith("running the step: ValueError: '<masked>' 49. This is a fault of the platform")
