"""The contract of a batch, and the contract that an operator names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from etl.aws.contract_objects import further_names
from etl.aws.s3 import listed
from telemetry.contract import Contract, ContractSet
from telemetry.layout import RawKey, day_prefix, parse_raw_key

if TYPE_CHECKING:
    from etl.aws.target import Target

__all__ = [
    "ContractsOfBatches",
    "chosen_contracts",
    "contract_of",
    "deployed_digest",
    "has_several",
    "key_names",
    "name_of",
    "named_contract",
    "named_event",
]


def has_several(target: Target) -> bool:
    """True where the pipeline has several contracts."""
    return len(target.contracts) > 1


def contract_of(contracts: ContractSet, raw_key: str) -> Contract:
    """The contract of a batch, by its raw key.

    The first one for a batch whose contract the pipeline has no more: its messages are processed
    under that one, as rejects.
    """
    return contracts.of_raw_key(raw_key) or contracts.first


def named_contract(target: Target, name: str | None) -> Contract:
    """The contract of that name; without a name, the first one. Raises ``ContractError``."""
    return target.contract if name is None else target.contracts.named(name)


def chosen_contracts(target: Target, name: str | None) -> tuple[Contract, ...]:
    """The contract of that name; without a name, all of them. Raises ``ContractError``."""
    return target.contracts.contracts if name is None else (target.contracts.named(name),)


def deployed_digest(target: Target) -> str:
    """A text that changes with each contract of the pipeline: the digest of its only one."""
    if not further_names(target.outputs):
        return target.outputs["ContractDigest"]
    return " ".join(contract.digest for contract in target.contracts)


def key_names(target: Target, name: str | None) -> tuple[str | None, ...]:
    """The names in keys of one contract's batches; empty for all contracts.

    A contract that the pipeline has no more is taken by its name, as its batches are still there.
    """
    if name is None:
        return ()
    return (None, name) if name == target.contract.name else (name,)


def named_event(target: Target, name: str | None) -> dict[str, str]:
    """The part of an event for the migrate function that names one contract; empty for all.

    Raises ``ContractError``.
    """
    return {} if name is None else {"contract": target.contracts.named(name).name}


def name_of(contracts: ContractSet, raw: RawKey) -> str:
    """The name of a batch's contract, also of one that the pipeline has no more."""
    return contracts.first.name if raw.contract is None else raw.contract


class ContractsOfBatches:
    """Names of the contracts of batches, by the names of their raw objects.

    Each day is listed once.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._days: dict[str, dict[str, str]] = {}

    def name(self, day: str, batch_id: str) -> str:
        """The name of a batch's contract; ``day``: ``YYYY-MM-DD`` in its key.

        The first one's where the raw object has expired.
        """
        if day not in self._days:
            self._days = {day: dict(self._listed(day))}
        return self._days[day].get(batch_id, self._target.contract.name)

    def _listed(self, day: str) -> Iterator[tuple[str, str]]:
        s3, bucket = self._target.client("s3"), self._target.bucket
        for entry in listed(s3, bucket, day_prefix(date.fromisoformat(day))):
            raw = parse_raw_key(entry["Key"])
            if raw is not None:
                yield raw.batch_id, name_of(self._target.contracts, raw)
