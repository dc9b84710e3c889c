"""The benchmark runs, small: its figures are there and its streams are judged as it made them."""

from __future__ import annotations

from clickstream_platform.bench.freshness_looks import Load, check_keys, run


def test_the_benchmark_judges_its_streams_as_it_made_them() -> None:
    load = Load(customers=6, events=10, late=10, silent=10)
    check_keys(load)
    figures = run(load)
    assert (figures["streams late"], figures["streams silent"], figures["streams fresh"]) == (10, 10, 40)
    assert figures["nothing happened"] < 5
    assert figures["peak memory, MB"] < 300
