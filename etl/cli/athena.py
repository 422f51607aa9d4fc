"""``etl athena``: SQL that makes the Parquet zone a table in Athena."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from etl.cli.context import guard, notes, target_of
from etl.operations.athena import FIRST_DAY, athena_statements
from etl.operations.contract_choice import named_contract
from infrastructure.names import has_clean_zone

__all__ = ["register"]


@guard
def athena(
    context: typer.Context,
    contract_name: Annotated[
        str | None,
        typer.Option(
            "--contract",
            metavar="NAME OR FILE",
            help="A contract of the pipeline, or a contract file; default: the first deployed one.",
        ),
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

    is_file = contract_name is not None and (
        contract_name.endswith(".toml") or Path(contract_name).is_file()
    )
    contract = load_contract(Path(contract_name)) if contract_name and is_file else None
    key_name = None
    if contract is None or bucket is None:
        target = target_of(context.obj)
        contract = contract or named_contract(target, contract_name)
        further = [one.name for one in target.contracts.further]
        key_name = contract.name if contract.name in further else None
        bucket = bucket or target.bucket
        if not has_clean_zone(target.outputs):
            notes.print(
                "storage.clean = false: batches get no object in the Parquet zone. Athena sees "
                "only those from before.",
                soft_wrap=True,
            )
    for statement in athena_statements(contract, bucket, since=since, key_name=key_name):
        sys.stdout.write(f"{statement};\n\n")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(athena)
