"""Pauses between tries."""

from __future__ import annotations

import pytest

from clickstream_platform.errors import (
    ClickstreamError,
    LoadError,
    ObjectStoreUnavailableError,
    StaleStagingError,
    StatementStoppedError,
)
from clickstream_platform.load.retry import RetryPolicy


def call(policy: RetryPolicy, errors: list[ClickstreamError]) -> str:
    def action() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    return policy.call(action)


def passing() -> ClickstreamError:
    return ObjectStoreUnavailableError("reading", cause="throttled", remedy="Wait.")


def test_pauses_grow_up_to_the_longest_and_are_cut_by_chance() -> None:
    pauses: list[float] = []
    jitters = iter([0.0, 1.0, 0.5, 1.0])
    policy = RetryPolicy(
        5, first_pause_seconds=2, longest_pause_seconds=9, sleep=pauses.append, jitter=lambda: next(jitters)
    )
    assert call(policy, [passing() for _ in range(4)]) == "done"
    assert pauses == [0, 4, 4, 9]


def test_a_statement_that_was_stopped_is_tried_once_more_only() -> None:
    stopped = [StatementStoppedError("running", cause="its time limit", remedy="Raise it.") for _ in range(3)]
    last = stopped[1]
    with pytest.raises(StatementStoppedError) as raised:
        call(RetryPolicy(5, sleep=lambda _: None), list(stopped))
    assert raised.value is last


def test_the_last_error_is_raised() -> None:
    errors = [passing() for _ in range(3)]
    last = errors[-1]
    with pytest.raises(ObjectStoreUnavailableError) as raised:
        call(RetryPolicy(3, sleep=lambda _: None), errors)
    assert raised.value is last


@pytest.mark.parametrize("kind", [LoadError, StaleStagingError])
def test_what_does_not_pass_is_raised_at_once(kind: type[ClickstreamError]) -> None:
    with pytest.raises(kind):
        call(RetryPolicy(3, sleep=lambda _: pytest.fail("slept")), [kind("loading")])
