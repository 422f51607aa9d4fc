"""The contracts of a deployment, read from their files, and what they may not have in common.

Two contracts of one schema must not claim the same name in it: a migration drops and makes views by
name, and PostgreSQL leaves out an index whose name is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from telemetry.contract import Contract, ContractSet, load_contract
from telemetry.ddl import index_name, other_partition, qualified, quote_name
from telemetry.ddl.analytics import view_names
from telemetry.ddl.names import NAME_BYTES
from telemetry.errors import ContractError

__all__ = ["check_first", "read_contracts"]

_OF_A_TIME = r"_(\d{4}_\d{2}(_\d{2})?|other)(_pkey)?"
"""End of the name of a partition (a month, a day, or all else), and of its primary key."""
_PRIMARY_KEY = "_pkey"


def read_contracts(files: Sequence[Path]) -> ContractSet:
    """The contracts of these files, the first one first.

    Raises ``ContractError`` where one can't be read or breaks a rule, and where two of them have
    the same name or table, or would give two things in the database the same name.
    """
    contracts = ContractSet.of(load_contract(file) for file in files)
    problems = [text for one, other in combinations(contracts, 2) for text in _clashes(one, other)]
    if problems:
        raise ContractError("\n".join(problems))
    return contracts


def check_first(running: ContractSet, wanted: ContractSet, *, replace_first: bool = False) -> None:
    """Refuse to move the first contract behind another one, and a further one into its place.

    Keys in S3 and messages in the queue don't name the first one: they would be read by the other
    one. ``replace_first`` allows the latter. Raises ``ContractError``.
    """
    first, new = running.first.name, wanted.first.name
    if first in wanted.names and new != first:
        raise ContractError(
            f"The first contract of the pipeline is {first}, and its objects in S3 have no "
            f"contract's name in their keys: as the first one, {new} would be applied to them. "
            f"List {first} first."
        )
    if new in running.names[1:] and not replace_first:
        raise ContractError(
            f"Without {first}, the first contract of the pipeline, {new} would take its place, and "
            f"messages in the queue and keys in S3 don't name the first one: {new} would read "
            f"what waits of {first}, and what a replay loads again. Keep {first} listed; or, once "
            "`etl status` shows that nothing waits, say --replace-first."
        )


def _clashes(one: Contract, other: Contract) -> Iterator[str]:
    names = _names(one)
    common = [(name, what, names[name]) for name, what in _names(other).items() if name in names]
    for name, of_other, of_one in common:
        yield _text(one, of_one, other, of_other, name)
    for each, another in ((one, other), (other, one)):
        if _is_partition(each, another):
            yield _text(each, "a partition", another, "the table", qualified(another))


def _text(one: Contract, of_one: str, other: Contract, of_other: str, name: str) -> str:
    return (
        f"{name} would be {of_one} of the contract {one.name} and {of_other} of the contract "
        f"{other.name}; give one of them another table or another schema."
    )


def _names(contract: Contract) -> dict[str, str]:
    """Qualified names that a contract may take in its schema, and what they name.

    Views are named even where the contract has none now: a migration drops those that it finds by
    these names.
    """
    schema = quote_name(contract.schema)
    primary_key = f"{contract.table[: NAME_BYTES - len(_PRIMARY_KEY)]}{_PRIMARY_KEY}"
    indexes = [primary_key, *(index_name(contract.table, columns) for columns in contract.indexes)]
    partitions = [other_partition(contract)] if contract.partition != "none" else []
    return {
        **dict.fromkeys(view_names(contract), "a view"),
        **{f"{schema}.{quote_name(name)}": "an index" for name in indexes},
        **{f"{schema}.{quote_name(name)}": "a partition" for name in partitions},
        qualified(contract): "the table",
    }


def _is_partition(contract: Contract, other: Contract) -> bool:
    """True where the other one's table is named like a partition of this one's."""
    like = re.fullmatch(re.escape(contract.table) + _OF_A_TIME, other.table)
    return contract.partition != "none" and contract.schema == other.schema and like is not None
