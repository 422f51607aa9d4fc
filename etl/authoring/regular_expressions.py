"""A check of a contract's regular expressions with the engine that will run them.

The contract's parser checks them with Python's engine. A pattern that Python accepts and polars
does not would fail every batch, so it stops the deployment; so does a constant that its own pattern
refuses. Python's engine may take years for the answer, that of polars takes time in proportion.
"""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.contract import Column, Contract
from telemetry.errors import ContractError

__all__ = ["check_expressions"]


def check_expressions(contract: Contract) -> None:
    """Raises one ``ContractError`` that lists every pattern polars can't compile, and every
    constant that does not match the pattern of its column."""
    columns = [column for column in contract.columns if column.pattern is not None]
    problems = [problem for column in columns for problem in _problems(column)]
    if problems:
        raise ContractError("\n".join(f"{contract.name}: columns.{line}" for line in problems))


def _problems(column: Column) -> Iterator[str]:
    import polars as pl

    constants = [s.path[0] for s in column.sources if s.scope == "constant"]
    try:
        matches = pl.Series(["", *constants]).str.contains(rf"\A(?:{column.pattern})\z").to_list()
    except pl.exceptions.ComputeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines if line.startswith("error:")), lines[0])
        reason = reason.removeprefix("error: ")
        yield f"{column.name}.pattern: {reason}; write it differently"
        return
    for constant, sound in zip(constants, matches[1:], strict=True):
        if not sound:
            yield (
                f"{column.name}.constant: {constant!r} does not match the pattern; write a value "
                "that the column takes"
            )
