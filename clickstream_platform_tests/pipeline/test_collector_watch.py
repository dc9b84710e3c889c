"""Collectors that refuse are a finding from one look to the next."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clickstream_platform.observe.collector_metrics import CollectorMetrics
from clickstream_platform.observe.health_server import serving_health
from clickstream_platform.pipeline.collector_watch import CollectorWatch
from clickstream_platform_tests.observe.exporter.runs import NOW
from clickstream_platform_tests.servers import answering_once


def found(watch: CollectorWatch, minutes: int) -> list[str]:
    observation = watch.look(NOW + timedelta(minutes=minutes), ()).observation
    assert observation.kinds == {"collector_refusing"}
    return [f"{finding.since:%M} {finding.summary}" for finding in observation.findings]


def test_what_was_refused_between_two_looks_is_told_until_nothing_is() -> None:
    metrics = CollectorMetrics()
    metrics.refused.labels("storage").inc(7)
    with serving_health("127.0.0.1", 0, metrics.registry) as port:
        url = f"http://127.0.0.1:{port}"
        watch = CollectorWatch([url])
        assert found(watch, 0) == [], "what was before the first look is not known to be new"
        metrics.refused.labels("storage").inc(2)
        metrics.refused.labels("rate").inc(50)
        assert found(watch, 1) == [f"31 1 of 1 collectors refuse: {url} refused 2 requests"]
        metrics.refused.labels("keys").inc(3)
        assert found(watch, 2) == [f"31 1 of 1 collectors refuse: {url} refused 3 requests"], "since it began"
        assert found(watch, 3) == []
    assert found(watch, 4) == [f"34 1 of 1 collectors refuse: {url} does not answer"]


def test_a_collector_that_was_started_anew_counts_from_its_start() -> None:
    first, second = CollectorMetrics(), CollectorMetrics()
    first.refused.labels("storage").inc(7)
    with serving_health("127.0.0.1", 0, first.registry) as port:
        watch = CollectorWatch([f"http://127.0.0.1:{port}"])
        assert found(watch, 0) == []
    second.refused.labels("storage").inc(4)
    with serving_health("127.0.0.1", port, second.registry):
        assert found(watch, 1) == [f"31 1 of 1 collectors refuse: http://127.0.0.1:{port} refused 4 requests"]


def test_an_address_that_is_none_does_not_answer() -> None:
    assert found(CollectorWatch(["collector:8080"]), 0) == [
        "30 1 of 1 collectors refuse: collector:8080 does not answer"
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nclickstream_",
        b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 47\r\n\r\nclickstream_collector_refused_requests_total 1\n",
    ],
    ids=["other protocol", "cut off", "a page", "another exporter"],
)
def test_one_collector_that_answers_nonsense_keeps_no_other_from_being_looked_at(raw: bytes) -> None:
    with answering_once(raw) as url, serving_health("127.0.0.1", 0, CollectorMetrics().registry) as port:
        (summary,) = found(CollectorWatch([url, f"http://127.0.0.1:{port}"]), 0)
    assert summary == f"30 1 of 2 collectors refuse: {url} does not answer"
