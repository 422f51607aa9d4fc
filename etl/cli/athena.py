"""``etl athena``: what makes the Parquet zone a table in Athena."""

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
        typer.Option("--contract", help="A contract file, instead of what is deployed."),
    ] = None,
    bucket: Annotated[
        str | None, typer.Option(help="Data bucket, instead of the deployed one.")
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="First day there can be data of.")
    ] = FIRST_DAY,
) -> None:
    """Print the SQL that makes the Parquet zone a table and a view in Athena."""
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
