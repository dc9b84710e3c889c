"""The whole ordered story of loads on Redshift, as text: what is sent, in which order, and that it is valid SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_target import stand_in_target
from clickstream_platform_tests.targets import Target
from clickstream_platform_tests.warehouses.redshift_lint import check

# The columns that every event table starts with say nothing here; buckets and digests differ from run to run.
COLUMNS = re.compile(r'"id"( VARCHAR\(\d+\))?, "anonymous_id".*?"timestamp"(?: TIMESTAMP)?')
MANIFEST = re.compile(r"s3://\S+/(pack_\d+)-\w+\.manifest")
LEDGER = re.compile(r"(CAST\(\? AS [A-Z]+(\(\d+\))?\)(, )?){14}")
VALUES = re.compile(r"(VALUES |, )\(…\)")
Story = list[tuple[str, Sequence[Any]]]


@pytest.fixture
def story() -> Story:
    return []


@pytest.fixture
def target(
    stand_in: RedshiftStandIn, database: str, s3_bucket: str, s3_endpoint: str, tmp_path: Path, story: Story
) -> Target:
    """Return the stand-in, every statement of which is noted and looked at by a parser."""

    def note(text: str, params: Sequence[Any]) -> None:
        check(text)
        assert text.count("?") == len(params)
        story.append((text, params))

    return stand_in_target(tmp_path, stand_in, database, s3_bucket, s3_endpoint, log=note)


def tell(story: Story) -> list[str]:
    """Return the statements without what differs from run to run, the envelope's columns as `…`."""
    return [LEDGER.sub("…", MANIFEST.sub(r"s3://…/\1.manifest", COLUMNS.sub("…", text))) for text, _ in story]


def written(name: str) -> list[str]:
    """Return a story as it is written in `stories`, one statement a line."""
    text = (Path(__file__).parent / "stories" / f"{name}.sql").read_text(encoding="utf-8")
    return [line.removesuffix(";") for line in text.splitlines() if not line.startswith("--")]


def test_a_first_load(target: Target, story: Story, stand_in: RedshiftStandIn) -> None:
    batch = target.batch().add("seen", [{"id": "a", "n": 1, "tags": ["x"]}], discards=[{"row_id": "a"}])
    batch.add("silent", []).add("identifies", [{"id": "i", "user_id": "u", "plan": "pro", "tags": [1]}])
    stand_in.statements.clear()
    report = target.load(batch.build())
    assert tell(story) == written("redshift_first_load")
    assert (report.commits, report.copies, report.statements) == (1, 3, len(story))
    assert (stand_in.statements.count("COMMIT"), stand_in.statements.count("COPY")) == (1, 3)


def test_the_next_hour(target: Target, story: Story) -> None:
    for offset in range(2):
        story.clear()
        batch = target.batch(HOUR.plus(offset)).add("seen", [{"id": f"a{offset}"}])
        target.load(batch.add("identifies", [{"id": f"i{offset}", "user_id": "u", "plan": "pro"}]).build())
    assert tell(story) == written("redshift_next_hour")


def test_a_load_that_replaces_evolves_and_meets_other_hours(target: Target, story: Story) -> None:
    target.load(target.batch(HOUR.plus(-1)).add("seen", [{"id": "a"}]).build())
    first = target.batch().add("seen", [{"id": "b", "n": 1, "note": "short"}])
    target.load(first.add("identifies", [{"id": "i", "user_id": "u", "plan": "free"}]).build())
    later = target.batch(HOUR.plus(1)).add("seen", [{"id": "c"}], duplicates=1)
    target.load(later.add("identifies", [{"id": "j", "user_id": "v"}]).build())
    story.clear()
    batch = target.batch().add("seen", [{"id": "a"}, {"id": "c", "n": 1.5, "context_os": "BSD", "note": "x" * 600}])
    batch.add("identifies", [{"id": "j", "user_id": "u", "plan": "pro"}])
    report = target.load(batch.build())
    assert report.failed == ()
    assert tell(story) == written("redshift_replacing_load")


def test_the_number_of_commits_and_copies_does_not_grow_with_the_events(
    target: Target, stand_in: RedshiftStandIn
) -> None:
    batch: Callable[[int], Any] = lambda hour: target.batch(HOUR.plus(hour))  # noqa: E731
    counts = []
    for hour, events in enumerate((3, 30)):
        building = batch(hour)
        for number in range(events):
            building.add(f"event_{number}", [{"id": f"{hour}"}])
        staged = building.build()
        stand_in.statements.clear()
        target.load(staged)
        counts.append((stand_in.statements.count("COMMIT"), stand_in.statements.count("COPY")))
    assert counts == [(1, 2), (1, 2)]
