"""``etl athena``: SQL that makes the Parquet zone a table in Athena."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from etl.cli.context import guard, target_of
from etl.operations.athena import FIRST_DAY, athena_statements

__all__ = ["register"]


@guard
def athena(
    context: typer.Context,
    contract_file: Annotated[
        Path | None,
        typer.Option("--contract", help="Contract file; default: the deployed contract."),
    ] = None,
    bucket: Annotated[
        str | None, typer.Option(help="Data bucket; default: that of the stack.")
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="First day of the data.")
    ] = FIRST_DAY,
) -> None:
    """Print the SQL that creates a table and a view over the Parquet zone in Athena."""
    from telemetry.contract import load_contract

    if contract_file is not None and bucket is not None:
        contract = load_contract(contract_file)
    else:
        target = target_of(context.obj)
        contract = load_contract(contract_file) if contract_file else target.contract
        bucket = bucket or target.bucket
    for statement in athena_statements(contract, bucket, since=since):
        sys.stdout.write(f"{statement};\n\n")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(athena)
