"""Tries a contract on records that are there, and makes a schema of them: before anything is switched on.

Reads the raw objects of the last hours, newest first, within limits of records, bytes and seconds; writes nothing and
shows no value. Belongs here: reading, counting, examples. Does not: verdicts (`transform.contracts`): they are those of
a load.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, Protocol

from clickstream_platform.codecs.lines import LineReader
from clickstream_platform.errors import InvalidNameError, RejectedRecordError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey, raw_prefix
from clickstream_platform.model.records import MAX_RECORD_BYTES, DiscardReason, RejectReason
from clickstream_platform.model.shared_ports import Clock, StoredObject
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.masking import mask_record
from clickstream_platform.pipeline.rules import contract_rule
from clickstream_platform.record_contracts.bounds import InvalidSchemaError
from clickstream_platform.record_contracts.checking import Violation
from clickstream_platform.record_contracts.inference import SchemaFromValues
from clickstream_platform.registry.entities import Contract
from clickstream_platform.registry.ports import DryRun, DryRunExample
from clickstream_platform.registry.refusals import InvalidRequestError, NotFoundError
from clickstream_platform.transform.contracts import ContractRule, StreamContract, exact_numbers, open_contract
from clickstream_platform.transform.parsing import parse_line
from clickstream_platform.transform.records import read_record

MAX_HOURS = 24 * 31
MAX_EXAMPLES = 10
MAX_PROBLEMS = 5  # of one example
MAX_RULES = 100  # counted by name
OTHER_RULES = "(others)"
TOO_MANY = "(more than can be told apart)"

_BLOCK_BYTES = 1024 * 1024
_NAME_CHARACTERS = 100
_ANYTHING: Mapping[str, Any] = {}


class RawObjects(Protocol):
    """The part of an object store that is read."""

    def list_objects(self, prefix: str) -> Iterator[StoredObject]:
        """List the objects below a prefix in key order."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Open an object for streamed reading."""
        ...


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """Where reading ends; bytes are of decompressed lines."""

    records: int = 100_000
    size_bytes: int = 256 * 1024 * 1024
    seconds: float = 20.0


DRY_RUN_LIMITS = ProbeLimits()
INFERENCE_LIMITS = ProbeLimits(records=20_000, size_bytes=64 * 1024 * 1024)


@dataclass(slots=True)
class _Reading:
    """Reads the lines of a stream's last hours; afterwards `is_complete` tells whether these were all."""

    objects: RawObjects
    stream: Stream
    hours: list[Hour]
    limits: ProbeLimits
    seconds: Callable[[], float]
    is_complete: bool = True

    def __iter__(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield object key, line number and bytes of each line."""
        deadline, lines, size_bytes = self.seconds() + self.limits.seconds, 0, 0
        for key in self._keys():
            opened = partial(self.objects.open, key)
            for block in LineReader(opened, block_bytes=_BLOCK_BYTES, max_line_bytes=MAX_RECORD_BYTES):
                for index in range(len(block)):
                    line = block.line(index)
                    lines, size_bytes = lines + 1, size_bytes + len(line)
                    is_late = self.seconds() > deadline
                    if lines > self.limits.records or size_bytes > self.limits.size_bytes or is_late:
                        self.is_complete = False
                        return
                    yield key, int(block.numbers[index]), line
                if self.seconds() > deadline:
                    self.is_complete = False
                    return

    def _keys(self) -> Iterator[str]:
        for hour in self.hours:
            for item in self.objects.list_objects(raw_prefix(hour, self.stream)):
                try:
                    RawObjectKey.parse(item.key)
                except InvalidNameError:
                    continue
                yield item.key


@dataclass(slots=True)
class _Findings:
    """What a dry run has counted so far."""

    records: int = 0
    rejected: int = 0
    discarded: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    examples: list[DryRunExample] = field(default_factory=list)

    def note(self, key: str, line: int, violations: list[Violation] | None) -> None:
        """Count the rules that one record breaks, and keep it as an example if it is the first to break one of them."""
        names = {TOO_MANY} if violations is None else {f"{_place(each, '*')} {each.rule}" for each in violations}
        is_new = not names <= self.rules.keys()
        for name in names:
            self.rules[name if name in self.rules or len(self.rules) < MAX_RULES else OTHER_RULES] += 1
        if is_new and len(self.examples) < MAX_EXAMPLES:
            problems = [f"{_place(each)}: {each.message or each.rule}" for each in violations or ()]
            self.examples.append(DryRunExample(key, line, tuple(problems[:MAX_PROBLEMS]) or (TOO_MANY,)))


class RawContractProbe:
    """Answers from the raw objects; a `registry.ports.ContractProbe`."""

    def __init__(
        self,
        objects: RawObjects,
        clock: Clock,
        *,
        max_depth: int = 8,
        dry_run_limits: ProbeLimits = DRY_RUN_LIMITS,
        inference_limits: ProbeLimits = INFERENCE_LIMITS,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read `objects`; flatten as deep as the transform does; `seconds` is a clock that never goes back."""
        self._objects, self._clock, self._seconds = objects, clock, seconds
        self._max_depth = max_depth
        self._dry_run_limits, self._inference_limits = dry_run_limits, inference_limits

    def dry_run(self, contract: Contract, hours: int) -> DryRun:
        """Hold the event's records of the last `hours` hours, and of the current one, against a contract.

        Counts are of records as they arrived, repeated ones too. Raises InvalidRequestError for a schema that is none,
        for less than one hour or more than MAX_HOURS.
        """
        try:
            held = open_contract(contract.event, contract_rule(contract))
        except InvalidSchemaError as error:
            raise InvalidRequestError("trying a contract", cause=error.cause, remedy=error.remedy) from error
        reading = self._read(Stream(contract.customer, contract.event), hours, self._dry_run_limits)
        findings = _Findings()
        if held is not None:
            for key, number, line in reading:
                is_broken = held.is_broken_by(line)
                if is_broken is False:
                    findings.records += 1
                elif is_broken:
                    self._judge(findings, contract.event, held, key, number, line)
        return DryRun(
            hours,
            findings.records,
            findings.rejected,
            findings.discarded,
            dict(findings.rules.most_common()),
            tuple(findings.examples),
            reading.is_complete,
        )

    def infer(self, customer: str, event: str, hours: int) -> Mapping[str, Any]:
        """Return a JSON Schema that all records of the last `hours` hours, and of the current one, fit.

        Within the limits, newest hours first. Raises NotFoundError without any record, InvalidRequestError like
        `dry_run`.
        """
        made, count = SchemaFromValues(), 0
        section = open_contract(event, ContractRule(0, "evolve", _ANYTHING))
        for _, _, line in self._read(Stream(customer, event), hours, self._inference_limits):
            try:
                _, record = read_record(line, event, max_depth=self._max_depth)
            except RejectedRecordError:
                continue
            value = record.get(section.section) if section else None
            if value is None or type(value) is dict:
                made.add(exact_numbers(value or {}))
                count += 1
        if not count:
            raise NotFoundError(
                "inferring a schema",
                where=repr(f"{customer}/{event}"),
                cause=f"the last {hours} hours hold no record of it",
                remedy="Take more hours, or write the schema by hand.",
            )
        return made.schema()

    def _read(self, stream: Stream, hours: int, limits: ProbeLimits) -> _Reading:
        if not 1 <= hours <= MAX_HOURS:
            raise InvalidRequestError(
                "reading the last hours",
                where=str(stream),
                cause=f"{hours} is not between 1 and {MAX_HOURS}",
                remedy="Choose a number of hours within.",
            )
        now = Hour.of(self._clock.now())
        return _Reading(self._objects, stream, [now.plus(-back) for back in range(hours + 1)], limits, self._seconds)

    def _judge(self, findings: _Findings, event: str, held: StreamContract, key: str, number: int, line: bytes) -> None:
        """Do with a record that breaks the contract what a load would do, and count that."""
        try:
            flat, _ = read_record(line, event, max_depth=self._max_depth, contract=held)
        except RejectedRecordError as error:
            if error.reason != RejectReason.CONTRACT:
                return
            findings.rejected += 1
        else:
            findings.discarded += sum(note.reason is DiscardReason.CONTRACT for note in flat.notes)
        findings.records += 1
        findings.note(key, number, held.violations(parse_line(line), len(line)))


def _place(violation: Violation, element: str = "") -> str:
    """Return the place of a violation, with names that look like data masked, and `element` for indexes if given."""
    parts = (
        (element or str(part)) if isinstance(part, int) else next(iter(mask_record({part[:_NAME_CHARACTERS]: None})))
        for part in violation.path
    )
    return "".join(f"/{part}" for part in parts) or "/"
