"""The option ``--contract NAME`` of commands that act on one contract of a pipeline or on all."""

from __future__ import annotations

from typing import Annotated

import typer

from etl.cli.completion import complete_contract

__all__ = ["ContractOption", "FirstContractOption"]

ContractOption = Annotated[
    str | None,
    typer.Option(
        "--contract",
        metavar="NAME",
        help="Only this contract; default: all of the pipeline.",
        autocompletion=complete_contract,
    ),
]
FirstContractOption = Annotated[
    str | None,
    typer.Option(
        "--contract",
        metavar="NAME",
        help="This contract of the pipeline; default: the first one.",
        autocompletion=complete_contract,
    ),
]
