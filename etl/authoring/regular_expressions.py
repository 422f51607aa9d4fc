"""A check of a contract's regular expressions with the engine that will run them.

The contract's parser checks them with Python's engine. A pattern that Python accepts and polars
does not would fail every batch, so it stops the deployment.
"""

from __future__ import annotations

from telemetry.contract import Contract
from telemetry.errors import ContractError

__all__ = ["check_expressions"]


def check_expressions(contract: Contract) -> None:
    """Raises one ``ContractError`` that lists every pattern that polars can't compile."""
    patterns = {c.name: c.pattern for c in contract.columns if c.pattern is not None}
    if not patterns:
        return
    import polars as pl

    problems = []
    for name, pattern in patterns.items():
        try:
            pl.Series([""]).str.contains(rf"\A(?:{pattern})\z")
        except pl.exceptions.ComputeError as error:
            lines = [line.strip() for line in str(error).splitlines()]
            reason = next((line for line in lines if line.startswith("error:")), lines[0])
            problems.append(
                f"{contract.name}: columns.{name}.pattern: {reason.removeprefix('error: ')};"
                " write it differently"
            )
    if problems:
        raise ContractError("\n".join(problems))
