"""Whatever dies, and wherever: a load that is begun again ends in the tables of an undisturbed one."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from clickstream_platform.errors import WarehouseUnavailableError
from clickstream_platform.load.reconcile import reconcile
from clickstream_platform.load.report import LoadReport
from clickstream_platform.load.retry import RetryPolicy
from clickstream_platform.model.staging import StagedBatch
from clickstream_platform.warehouses.redshift import RedshiftSession
from clickstream_platform_tests.builders import HOUR
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.redshift_target import settings_of, stand_in_target
from clickstream_platform_tests.targets import SCHEMA, Target
from clickstream_platform_tests.warehouses import redshift_crashing as crashing
from clickstream_platform_tests.warehouses.redshift_crashing import Pair, State

# The driver leaves its socket to the collector when the other side is gone.
pytestmark = [
    pytest.mark.redshift,
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
Drop = Literal["drop_before", "drop_after"]
ONCE = RetryPolicy(attempts=1)
# Redshift refuses to lengthen a column of some encodings; the stand-in knows none.
BAD_ENCODING = {
    "kind": "error",
    "pattern": "TYPE VARCHAR",
    "code": "0A000",
    "message": "cannot alter type of a column with BYTEDICT encoding",
}


@dataclass(frozen=True)
class Scenario:
    """What is loaded before, the batch that is disturbed, how often it commits rows, and statements that it must have.

    `failing` are the events that no load can take, `faults` what the stand-in does in each load.
    """

    prepare: Callable[[Target], None]
    batch: Callable[[Target], StagedBatch]
    commits: int
    statements: tuple[str, ...]
    failing: tuple[str, ...] = ()
    faults: tuple[Mapping[str, Any], ...] = ()


def prepare_hours(target: Target) -> None:
    """Load the hours around the one that will be disturbed."""
    batch = target.batch().add("seen", [{"id": "a", "n": 1, "t": "s"}, {"id": "b"}], discards=[{"row_id": "b"}])
    assert target.load(batch.add("identifies", [{"id": "i", "user_id": "u", "plan": "free"}]).build()).failed == ()
    later = target.batch(HOUR.plus(1)).add("seen", [{"id": "x", "n": 2}], duplicates=1).add("pages", [{"id": "late"}])
    assert target.load(later.build()).failed == ()


def evolving_batch(target: Target) -> StagedBatch:
    """Replace the hour, lengthen, widen, add, create, take rows from a later hour and reopen it."""
    rows: list[dict[str, Any]] = [{"id": "a", "n": 1.5, "new": "text", "t": "x" * 600}, {"id": "x"}]
    batch = target.batch().add("seen", rows, discards=[{"row_id": "x"}])
    batch.add("bought", [{"id": "c"}]).add("pages", [{"id": "late"}]).add("silent", [], rejected=1)
    return batch.add("identifies", [{"id": "i", "user_id": "u", "plan": "pro"}]).build()


def first_batch(target: Target) -> StagedBatch:
    """Make the schema, the platform's tables and those of the events."""
    batch = target.batch().add("seen", [{"id": "a", "n": 1}], discards=[{"row_id": "a"}]).add("silent", [], rejected=1)
    return batch.add("identifies", [{"id": "i", "user_id": "u", "plan": "free"}]).build()


def prepare_numbers(target: Target) -> None:
    """Load the only hour of tables, with columns of numbers."""
    batch = target.batch().add("seen", [{"id": "a", "code": 1, "context_code": 1}, {"id": "b", "code": 2}])
    assert target.load(batch.add("identifies", [{"id": "i", "user_id": "u", "plan": 1}]).build()).failed == ()


def retyping_batch(target: Target) -> StagedBatch:
    """Replace that hour by one where the columns are texts."""
    batch = target.batch().add("seen", [{"id": "a", "code": "one", "context_code": "one"}, {"id": "b", "code": "2"}])
    return batch.add("identifies", [{"id": "i", "user_id": "u", "plan": "pro"}]).build()


def prepare_one(target: Target) -> None:
    """Load a row that the batch replaces."""
    assert target.load(target.batch().add("seen", [{"id": "a", "n": 1}, {"id": "b"}]).build()).failed == ()


def broken_batch(target: Target) -> StagedBatch:
    """Have one event of which the rows can't be read, so that each event gets a transaction of its own."""
    batch = target.batch().add("seen", [{"id": "a", "n": 2}]).add("lost", [{"id": "l"}])
    built = batch.add("bought", [{"id": "c"}]).build(shared=False)
    target.forget(built.packs[built.tables[1].pack].parts[0])
    return built


EVOLVING = (
    r"TYPE VARCHAR.*ENCODE ZSTD.*TYPE VARCHAR.*MIN\(\"n\"\).*ADD COLUMN \"widened\$\".*UPDATE .*\"widened\$\" = \"n\"",
    r"DROP COLUMN \"n\".*RENAME COLUMN.*ADD COLUMN \"new\".*CREATE TABLE \"shop\".\"bought\".*input_digest = ''",
)
FIRST = (
    r"CREATE SCHEMA.*CREATE TABLE IF NOT EXISTS \"shop\".\"_lock\$\".*CREATE TABLE \"shop\".\"_loads\"",
    r"CREATE TABLE \"shop\".\"_discards\".*\"users\".*\"seen\".*\"identifies\".*\"tracks\"",
)
RETYPING = (
    r"DROP COLUMN \"code\".*ADD COLUMN \"code\" VARCHAR.*\"users\" DROP COLUMN \"plan\".*ADD COLUMN \"plan\" VARCHAR",
    r"\"tracks\" DROP COLUMN \"context_code\".*\"tracks\" ADD COLUMN \"context_code\" VARCHAR",
)
SCENARIOS = {
    "evolving": Scenario(prepare_hours, evolving_batch, 1, EVOLVING, faults=(BAD_ENCODING,)),
    "first_load": Scenario(lambda _: None, first_batch, 1, FIRST),
    "retyping": Scenario(prepare_numbers, retyping_batch, 1, RETYPING),
    "one_by_one": Scenario(prepare_one, broken_batch, 2, (r"COPY.*ROLLBACK.*COPY.*COMMIT.*COMMIT",), ("lost",)),
}


@dataclass
class Stage:
    """A scenario on two databases: one takes the batch undisturbed, the other will be disturbed.

    `pairs` are the undisturbed load's statements, each with the one before; those in `refused` got an error as their
    answer. `states` are what others could see meanwhile, from the first to the last.
    """

    scenario: Scenario
    stand_in: RedshiftStandIn
    bucket: str
    endpoint: str
    folder: Path

    def __post_init__(self) -> None:
        """Prepare both and load the batch into one."""
        self.pairs: list[Pair] = []
        self.refused: set[Pair] = set()
        self.states: list[State] = []
        self.databases = [self.stand_in.create_database() for _ in range(2)]
        self.undisturbed, self.target = (
            stand_in_target(self.folder, self.stand_in, database, self.bucket, self.endpoint)
            for database in self.databases
        )
        for target in (self.undisturbed, self.target):
            self.scenario.prepare(target)
        self.batch = self.scenario.batch(self.target)
        self._load_undisturbed()

    def set_faults(self) -> None:
        """Have the stand-in do what it does in each load, and nothing else."""
        self.stand_in.faults.clear()
        for fault in self.scenario.faults:
            self.stand_in.faults.add(**fault)

    def settings(self, database: str) -> tuple[dict[str, str], str]:
        """Return a database's settings and secret."""
        return settings_of(self.stand_in, database), f"file:{self.folder}/secret"

    def _load_undisturbed(self) -> None:
        """Load, and look at what others see whenever no transaction is open."""
        is_open = False

        def before(pair: Pair, _: RedshiftSession) -> None:
            self.pairs.append(pair)
            if not is_open:
                self._note(crashing.read_state(reader))

        def after(pair: Pair, has_failed: bool) -> None:
            nonlocal is_open
            is_open = pair[1] == "BEGIN" or (is_open and pair[1] not in ("COMMIT", "ROLLBACK"))
            if has_failed:
                self.refused.add(pair)

        self.set_faults()
        with closing(crashing.open_reader(*self.settings(self.databases[0]))) as reader:
            with pytest.MonkeyPatch.context() as patch:
                crashing.watch(patch, before, after)
                failed = self.undisturbed.load(self.batch).failed
            self._note(crashing.read_state(reader))
        self.stand_in.faults.clear()
        assert tuple(outcome.event for outcome in failed) == self.scenario.failing
        text = "\n".join(text for _, text in self.pairs)
        assert [each for each in self.scenario.statements if not re.search(each, text, re.DOTALL)] == []

    def _note(self, state: State) -> None:
        if not self.states or self.states[-1] != state:
            self.states.append(state)

    def check_states(self) -> None:
        """Of the undisturbed load, others saw each event as it was before or complete, and as many commits as told."""
        first, last = self.states[0], self.states[-1]
        events = [stream.event for stream in self.batch.streams]
        for state in self.states:
            assert all(_of_event(state, event) in (_of_event(first, event), _of_event(last, event)) for event in events)
        rows = [[_of_event(state, event) for event in events] for state in self.states]
        assert sum(one != other for one, other in pairwise(rows)) == self.scenario.commits

    def check_end(self, seen: list[Pair], left: list[State], *, has_done_last: bool) -> None:
        """Whatever was left was whole, no place was left out, and loading again ends in the undisturbed tables.

        `seen` are the pairs where loads ended; with `has_done_last` the second statement of each was done. When it
        committed, the next load goes on from there and has no pair that begins with it, so only the texts count.
        """
        self.check_states()
        assert [state for state in left if state not in self.states] == []
        if has_done_last:
            assert {text for _, text in self.pairs} - {text for _, text in seen} == set()
        else:
            assert set(self.pairs) - set(seen) == set()
        assert max(Counter(seen).values()) == 1
        failed = self.target.load(self.batch).failed
        assert tuple(outcome.event for outcome in failed) == self.scenario.failing
        with closing(crashing.open_reader(*self.settings(self.databases[1]))) as reader:
            assert crashing.read_state(reader) == self.states[-1]
        tables = list(self.states[-1])
        assert self.target.read_all(*tables) == self.undisturbed.read_all(*tables)
        assert reconcile(self.target.warehouse, SCHEMA, SCHEMA, HOUR) == []


def _of_event(state: State, event: str) -> list[Any]:
    """Return an event's rows, in its own table and in those of the platform."""
    own = state[event]["rows"] if event in state else []
    shared = ("tracks", "_loads", "_discards")
    return [own, *([row for row in state[t]["rows"] if row["event"] == event] if t in state else [] for t in shared)]


@pytest.fixture(params=SCENARIOS)
def stage(
    request: pytest.FixtureRequest, stand_in: RedshiftStandIn, s3_bucket: str, s3_endpoint: str, tmp_path: Path
) -> Iterator[Stage]:
    """Return a scenario that is ready to be disturbed."""
    found = Stage(SCENARIOS[request.param], stand_in, s3_bucket, s3_endpoint, tmp_path)
    yield found
    stand_in.faults.clear()
    for database in found.databases:
        stand_in.drop_database(database)


@pytest.fixture
def make_target(stand_in: RedshiftStandIn, s3_bucket: str, s3_endpoint: str, tmp_path: Path) -> Callable[[], Target]:
    """Return what makes a target on a database of its own, with the staged parts shared by all."""
    return lambda: stand_in_target(tmp_path, stand_in, stand_in.create_database(), s3_bucket, s3_endpoint)


@pytest.mark.parametrize("kind", get_args(Drop))
def test_a_connection_lost_at_any_statement(stage: Stage, kind: Drop) -> None:
    seen: list[Pair] = []
    left: list[State] = []
    struck: list[RedshiftSession] = []

    def strike(pair: Pair, session: RedshiftSession) -> None:
        """Strike each session once, where none was struck before; a refused statement can't be lost after it's done."""
        if session in struck or pair in seen:
            return
        seen.append(pair)
        if kind == "drop_before" or pair not in stage.refused:
            struck.append(session)
            stage.stand_in.faults.clear()
            stage.stand_in.faults.add(kind)

    for number in (1, 2):  # the two statements that set up a connection
        stage.stand_in.faults.clear()
        stage.stand_in.faults.add(kind, "^SET", nth=number)
        with pytest.raises(WarehouseUnavailableError):
            stage.target.load(stage.batch, retry=ONCE)
    with closing(crashing.open_reader(*stage.settings(stage.databases[1]))) as reader:
        for _ in range(crashing.MAX_DEATHS):
            stage.set_faults()
            struck.clear()
            with pytest.MonkeyPatch.context() as patch, suppress(WarehouseUnavailableError):
                crashing.watch(patch, strike)
                failed = stage.target.load(stage.batch, retry=ONCE).failed
                lost = [outcome for outcome in failed if outcome.event not in stage.scenario.failing]
                assert all(isinstance(outcome.error, WarehouseUnavailableError) for outcome in lost)
            stage.stand_in.faults.clear()
            if not struck:
                break
            left.append(crashing.read_state(reader))
    assert not struck
    stage.check_end(seen, left, has_done_last=kind == "drop_after")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_killed_at_any_statement(stage: Stage, when: str) -> None:
    settings, secret = stage.settings(stage.databases[1])
    failing, faults = list(stage.scenario.failing), [dict(fault) for fault in stage.scenario.faults]
    job = crashing.Job(settings, secret, f"s3://{stage.bucket}", stage.endpoint, when, failing, faults)
    (stage.folder / crashing.BATCH_FILE).write_bytes(stage.batch.to_json())
    (stage.folder / crashing.JOB_FILE).write_text(json.dumps(asdict(job)), encoding="utf-8")
    script = [sys.executable, "-W", "ignore", "-m", crashing.__name__, str(stage.folder)]
    subprocess.run(script, check=True, timeout=150)
    deaths = json.loads((stage.folder / crashing.DEATHS_FILE).read_text(encoding="utf-8"))
    assert {death["signal"] for death in deaths} == {signal.SIGKILL}
    pairs, left = [(death["pair"][0], death["pair"][1]) for death in deaths], [death["left"] for death in deaths]
    stage.check_end(pairs, left, has_done_last=when == "after")


def test_error_1023_and_throttling_reach_nobody(make_target: Callable[[], Target], stand_in: RedshiftStandIn) -> None:
    target = make_target()
    stand_in.faults.add("serialization", pattern="^INSERT")
    stand_in.faults.add("throttle", pattern="^COPY")
    stand_in.faults.add("serialization", pattern="^COMMIT")
    try:
        report = target.load(target.batch().add("seen", [{"id": "a"}]).build(), retry=RetryPolicy(sleep=lambda _: None))
    finally:
        stand_in.faults.clear()
    assert (report.failed, report.commits, target.ids("seen")) == ((), 1, ["a"])


def test_two_loaders_of_the_same_hour_at_once(make_target: Callable[[], Target]) -> None:
    target = make_target()
    batch = target.batch().add("seen", [{"id": "a"}, {"id": "b"}]).add("pages", [{"id": "p"}]).build()
    reports: list[LoadReport] = []
    threads = [threading.Thread(target=lambda: reports.append(target.load(batch))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(outcome.status) for report in reports for outcome in report.outcomes) == (
        ["already_loaded"] * 6 + ["loaded"] * 2
    )
    assert (target.ids("seen"), target.ids("tracks"), len(target.read("_loads"))) == (["a", "b"], ["a", "b"], 2)


def test_a_loader_beside_a_reader_with_a_long_transaction(make_target: Callable[[], Target]) -> None:
    target = make_target()
    target.load(target.batch().add("seen", [{"id": "a"}]).build())
    with target.warehouse.session("shop", read_only=True) as reader:
        connection = reader._connection  # type: ignore[attr-defined]
        cursor = connection.cursor()
        cursor.execute("BEGIN")
        cursor.execute('SELECT COUNT(*) FROM "shop"."seen"')
        assert target.load(target.batch(HOUR.plus(1)).add("seen", [{"id": "b"}]).build()).failed == ()
        cursor.execute('SELECT COUNT(*) FROM "shop"."seen"')
        assert list(cursor.fetchall()) == [[1]]
        cursor.execute("COMMIT")
    assert target.ids("seen") == ["a", "b"]
