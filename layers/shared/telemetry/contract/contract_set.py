"""The contracts of a pipeline: the first one, and further ones that are named in keys.

Each has a topic rule and a table of its own; queue, workflow and functions are shared. A
micro-batch belongs to one contract: its messages came by that one's rule. Where the pipeline has no
contract of that name any more, each of its messages is a reject for :data:`NO_CONTRACT`, until the
contract is there again and the batch is replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from telemetry.contract.model import Contract
from telemetry.errors import ContractError
from telemetry.layout import parse_raw_key

__all__ = ["NO_CONTRACT", "ContractSet"]

NO_CONTRACT = "no_contract"
"""Reason of the rejects of a batch whose contract the pipeline does not have any more."""


@dataclass(frozen=True)
class ContractSet:
    """The contracts of one pipeline, the first one first.

    Raises ``ContractError`` where two of them have the same name, names that only differ in
    hyphens and underscores, or the same table.
    """

    contracts: tuple[Contract, ...]

    def __post_init__(self) -> None:
        if not self.contracts:
            raise ContractError("A pipeline has one contract at least.")
        for one, other in combinations(self.contracts, 2):
            if one.name == other.name:
                raise ContractError(
                    f"Two contracts are named {one.name}; give one of them another name."
                )
            if _letters(one.name) == _letters(other.name):
                # The names of their resources would be the same.
                raise ContractError(
                    f"The names of the contracts {one.name} and {other.name} only differ in "
                    "hyphens and underscores; give one of them another name."
                )
            if (one.schema, one.table) == (other.schema, other.table):
                raise ContractError(
                    f"The contracts {one.name} and {other.name} have the same table, "
                    f"{one.schema}.{one.table}; give one of them another one."
                )

    @staticmethod
    def of(contracts: Iterable[Contract]) -> ContractSet:
        """The set of these contracts, in their order."""
        return ContractSet(tuple(contracts))

    @property
    def first(self) -> Contract:
        """The contract that keys don't name."""
        return self.contracts[0]

    @property
    def further(self) -> tuple[Contract, ...]:
        """The contracts that keys name."""
        return self.contracts[1:]

    @property
    def names(self) -> tuple[str, ...]:
        """The contracts' names, the first one's first."""
        return tuple(contract.name for contract in self.contracts)

    def __iter__(self) -> Iterator[Contract]:
        return iter(self.contracts)

    def __len__(self) -> int:
        return len(self.contracts)

    def of_key(self, name: str | None) -> Contract | None:
        """The contract that a key names so (``RawKey.contract``); ``None`` where the pipeline has
        none of that name any more.

        A key that names the first contract was written while that was a further one.
        """
        if name is None:
            return self.first
        return next((one for one in self.contracts if one.name == name), None)

    def of_raw_key(self, key: str) -> Contract | None:
        """The contract of the batch with this raw key; ``None`` where the pipeline has it no more.

        A key that is not that of a raw object counts as the first contract's.
        """
        raw = parse_raw_key(key)
        return self.of_key(None if raw is None else raw.contract)

    def key_name(self, contract: Contract) -> str | None:
        """The name of a contract in keys; ``None`` for the first one."""
        return None if contract.name == self.first.name else contract.name

    def named(self, name: str) -> Contract:
        """The contract of that name.

        Raises :class:`ContractError` with the names that there are.
        """
        for contract in self.contracts:
            if contract.name == name:
                return contract
        raise ContractError(
            f"The pipeline has no contract named {name!r}; it has {', '.join(self.names)}."
        )


def _letters(name: str) -> str:
    return name.replace("-", "").replace("_", "")
