"""The rules that a customer's hours are staged by: its policy and contracts within the limits of its warehouse.

Belongs here: putting them together, and the share of rejected records that a policy bears. Does not: what follows for
records (`transform.contracts`) and tables (`transform.plan`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from clickstream_platform.errors import TerminalError
from clickstream_platform.model.counts import StreamCounts
from clickstream_platform.model.streams import UNIDENTIFIED, Stream
from clickstream_platform.registry.entities import Contract, Policy
from clickstream_platform.transform.contracts import ContractRule

if TYPE_CHECKING:
    from clickstream_platform.transform.plan import SchemaPolicy


class TooManyRejectedError(TerminalError):
    """More of a stream-hour's records are rejected than the customer's policy bears."""


class Limits(Protocol):
    """What a warehouse takes; a `load.port.Warehouse` and a loader both tell."""

    @property
    def max_columns(self) -> int:
        """The most columns that a table may have."""
        ...

    @property
    def max_json_bytes(self) -> int | None:
        """The longest text that a JSON column takes as one value; None without a limit."""
        ...


def schema_policy(policy: Policy, limits: Limits, contracts: Mapping[str, Contract]) -> SchemaPolicy:
    """Return the rules for the customer's records and tables; `contracts` are those in force, by event."""
    # Imported only here: numpy takes a third of a second, which definitions and sensors need not wait for.
    from clickstream_platform.transform.plan import SchemaPolicy

    return SchemaPolicy(
        policy.schema_mode,
        min(policy.column_limit, limits.max_columns),
        limits.max_json_bytes,
        {event: contract_rule(contract) for event, contract in contracts.items()},
    )


def contract_rule(contract: Contract) -> ContractRule:
    """Return what the transform needs of a contract."""
    return ContractRule(contract.version, contract.mode, contract.schema)


def rejection_problem(policy: Policy, stream: Stream, where: str, counts: StreamCounts) -> TooManyRejectedError | None:
    """Return why a stream-hour is not loaded: its share of rejected records; None when it is within the policy.

    `_unidentified` is never refused: it holds nothing but rejected records.
    """
    threshold = policy.load_threshold_percent
    if stream.event == UNIDENTIFIED or counts.rejected * 100 <= threshold * counts.raw:
        return None
    return TooManyRejectedError(
        "loading",
        where=where,
        cause=f"{counts.rejected:,} of {counts.raw:,} records are rejected, more than the {threshold} % that the "
        "customer's policy bears",
        remedy=f"See them with `clickstream quarantine show --customer {stream.customer} --event {stream.event}`. "
        "Correct the sender or the contract, or raise load_threshold_percent in the policy; then load the hour again.",
    )
