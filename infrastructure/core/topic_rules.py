"""One topic rule for each contract: its logical id, and the suffix of what belongs to it.

The first contract's rule is ``TopicRule``, and that of a further one has its name, so that it stays
the same rule whichever contracts are added or removed beside it.
"""

from __future__ import annotations

import re

from telemetry.contract import Contract, ContractSet
from telemetry.errors import ContractError

__all__ = ["FIRST_RULE", "rule_title", "title_of"]

FIRST_RULE = "TopicRule"
_TAKEN = frozenset(("Role",))
"""Endings with which a logical id would be that of another resource."""


def rule_title(contracts: ContractSet, contract: Contract) -> str:
    """Logical id of the contract's rule.

    Raises :class:`ContractError` where the name can't be a part of one.
    """
    return f"{FIRST_RULE}{title_of(contracts, contract)}"


def title_of(contracts: ContractSet, contract: Contract) -> str:
    """Name of a further contract in PascalCase, for logical ids; empty for the first one.

    A set has no two names that come to the same. Raises :class:`ContractError` for a name that is
    taken.
    """
    if contracts.key_name(contract) is None:
        return ""
    title = "".join(part[:1].upper() + part[1:] for part in re.split("[-_]", contract.name))
    if title in _TAKEN:
        raise ContractError(
            f"A further contract can't be named {contract.name}: give it another name."
        )
    return title
