"""Operations on contracts: add a version, put one in force, list them.

Belongs here: one method per operation, one transaction each. Does not: holding records against a contract
(`transform`), trying one out (`pipeline.contract_probe`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clickstream_platform.registry import refusals, rules
from clickstream_platform.registry.entities import Contract, ContractMode, Event
from clickstream_platform.registry.operations import Operations, check_revision, find_event, find_live_customer
from clickstream_platform.registry.transactions import Transaction


class ContractOperations(Operations):
    """What can be asked about contracts and done to them."""

    def add_contract(
        self,
        customer: str,
        event: str,
        mode: ContractMode,
        schema: Mapping[str, Any],
        *,
        note: str = "",
        activate: bool = True,
        expected_revision: int | None = None,
    ) -> Contract:
        """Add the next version of an event's contract and, by default, put it in force; the revision is the event's."""
        rules.check_contract(mode, schema, note)
        with self._store.writing() as transaction:
            find_live_customer(transaction, customer)
            before = find_event(transaction, customer, event)
            check_revision(before, expected_revision)
            number = transaction.newest_contract_version(customer, event) + 1
            rules.check_count("versions of a contract", f"{customer}/{event}", number - 1)
            contract = Contract(customer, event, number, mode, dict(schema), note, self._clock.now(), self._actor)
            self._write(transaction, "add", None, contract)
            if activate:
                _check_in_force(transaction, contract)
                self._write(transaction, "set_contract", before, replace(before, contract_version=number))
            return contract

    def list_contracts(self, customer: str, event: str) -> list[Contract]:
        """Return all versions of an event's contract, newest first; raise NotFoundError for an unknown event."""
        with self._store.reading() as transaction:
            find_event(transaction, customer, event)
            return transaction.contracts(customer, event)

    def get_contract(self, customer: str, event: str, version: int) -> Contract:
        """Return one version; raise NotFoundError."""
        with self._store.reading() as transaction:
            find_event(transaction, customer, event)
            contract = transaction.contract(customer, event, version)
        if contract is None:
            raise refusals.unknown_contract(customer, event, version)
        return contract

    def contracts_in_force(self, customer: str) -> Mapping[str, Contract]:
        """Return the contracts that a customer's records are held to, by event."""
        with self._store.reading() as transaction:
            return {contract.event: contract for contract in transaction.contracts_in_force(customer)}

    def set_contract_version(
        self, customer: str, event: str, version: int | None, *, expected_revision: int | None = None
    ) -> Event:
        """Put a version in force; None holds the event to no contract. Hours that are loaded stay as they are."""
        with self._store.writing() as transaction:
            find_live_customer(transaction, customer)
            before = find_event(transaction, customer, event)
            check_revision(before, expected_revision)
            if version is not None:
                contract = transaction.contract(customer, event, version)
                if contract is None:
                    raise refusals.unknown_contract(customer, event, version)
                _check_in_force(transaction, contract)
            return self._write(transaction, "set_contract", before, replace(before, contract_version=version))


def _check_in_force(transaction: Transaction, contract: Contract) -> None:
    """Raise InvalidRequestError when the customer's contracts in force would be too long with this one."""
    in_force = transaction.contracts_in_force(contract.customer)
    rules.check_contracts_in_force([*(each for each in in_force if each.event != contract.event), contract])
