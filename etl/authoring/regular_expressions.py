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
    problems = [f"columns.{line}" for column in columns for line in _problems(column)]
    for parts in contract.parts:
        if parts.pattern is not None and (reason := _refusal(parts.pattern)):
            problems.append(f"parts.{parts.name}.pattern: {reason}; write it differently")
    if problems:
        raise ContractError("\n".join(f"{contract.name}: {line}" for line in problems))


def _problems(column: Column) -> Iterator[str]:
    import polars as pl

    constants = [s.path[0] for s in column.sources if s.scope == "constant"]
    pattern = column.pattern or ""
    if reason := _refusal(pattern):
        yield f"{column.name}.pattern: {reason}; write it differently"
        return
    matches = pl.Series(constants, dtype=pl.String).str.contains(rf"\A(?:{pattern})\z")
    for constant, sound in zip(constants, matches, strict=True):
        if not sound:
            yield (
                f"{column.name}.constant: {constant!r} does not match the pattern; write a value "
                "that the column takes"
            )


def _refusal(pattern: str) -> str | None:
    """Reason why polars can't compile a pattern; ``None`` where it can."""
    import polars as pl

    try:
        pl.Series([""]).str.contains(rf"\A(?:{pattern})\z")
    except pl.exceptions.ComputeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines if line.startswith("error:")), lines[0])
        return reason.removeprefix("error: ")
    return None
