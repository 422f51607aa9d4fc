"""``etl contract describe``: the data dictionary of a contract."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from etl.cli.context import guard, print_json, target_of
from etl.cli.contract_option import FirstContractOption
from telemetry.contract import load_contract

__all__ = ["describe"]

DEPLOYED = "deployed"
FORMATS = ("markdown", "html", "json")


@guard
def describe(
    context: typer.Context,
    contract: Annotated[
        str,
        typer.Argument(
            metavar="[CONTRACT]",
            help=f"Contract file, or '{DEPLOYED}' for that of the running pipeline.",
        ),
    ] = DEPLOYED,
    form: Annotated[str, typer.Option("--format", help="markdown, html or json.")] = "markdown",
    name: FirstContractOption = None,
) -> None:
    """Print the data dictionary: columns, units, limits, sources, checks, retention.

    Of the running pipeline also the newest reading and the last loads.
    """
    from etl.authoring.dictionary import describe as describe_contract
    from etl.authoring.units import resolve_units
    from etl.operations.contract_choice import named_contract
    from etl.operations.contract_facts import read_facts
    from etl.operations.dictionary_page import as_html, as_markdown

    if form not in FORMATS:
        raise typer.BadParameter(f"use one of {', '.join(FORMATS)}", param_hint="--format")
    facts = None
    if contract == DEPLOYED and not Path(contract).exists():
        target = target_of(context.obj, "emulator", "postgres")
        chosen = named_contract(target, name)
        facts = read_facts(target, chosen)
    else:
        chosen = resolve_units(load_contract(Path(contract)))
    page = describe_contract(chosen)
    if form == "json":
        live = {} if facts is None else {"freshness": facts.as_dict()}
        print_json({**page.as_dict(), **live})
    else:
        typer.echo((as_html if form == "html" else as_markdown)(page, facts), nl=False)
