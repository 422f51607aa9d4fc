"""``etl contract``: infer a contract from messages, check it, compare two contracts."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from etl.cli.context import (
    FILES,
    JsonOption,
    console,
    fail,
    guard,
    notes,
    print_json,
    target_of,
)
from etl.cli.contract_describe import describe
from etl.cli.contract_view import (
    print_contract,
    print_difference,
    print_proof,
    print_report,
)
from etl.cli.wait_line import waiting
from telemetry.contract import load_contract

if TYPE_CHECKING:
    from etl.authoring.samples import Sample
    from telemetry.contract import Contract, ContractSet

app = typer.Typer(
    help="Infer a contract from sample messages, check, describe and compare contracts.",
    no_args_is_help=True,
)
DEPLOYED = "deployed"
WATCH_SECONDS = 0.3
"""Time between two looks at the files of ``--watch``."""


def read(files: Sequence[Path], most: int) -> Sample:
    """Reads a sample of the files, and shows progress on standard error."""
    from etl.authoring.samples import read_sample

    until = "until the end of standard input" if Path("-") in files else ""
    with waiting("reading messages", until) as say:
        sample = read_sample(files, most, lambda count: say(f"{count:,} so far"))
    notes.print(f"[dim]•[/] read {sample.description()}")
    return sample


@guard
def infer(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="SAMPLE...", help=FILES),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; default: print it.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the contract; default: from the file's name.")
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, help="Most messages to examine, from all parts of the files.")
    ] = 20_000,
    payload_format: Annotated[
        str,
        typer.Option(
            "--format",
            help="Format of the payloads, such as cbor, where the files are recordings of bytes.",
        ),
    ] = "json",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Infer a contract from sample messages, with the reason for each line as a comment.

    Then cleans the sample with it. Exits with 1 if a distinct reading or a value would be lost; the
    file is written all the same.
    """
    from etl.authoring.decoding import INFERRED_FORMATS
    from etl.authoring.infer import infer as infer_contract
    from etl.authoring.infer import parse_draft
    from etl.authoring.proof import prove
    from etl.authoring.toml_writer import write_contract

    if out is not None and out.exists() and not force:
        raise fail(f"{out} already exists; choose another --out, or overwrite it with --force")
    named = next((known for known in INFERRED_FORMATS if known == payload_format), None)
    if named is None:
        known = ", ".join(INFERRED_FORMATS)
        raise fail(f"--format {payload_format}: can't be inferred; use one of {known}")
    sample = read(files, most)
    with waiting("inferring types, limits and key"):
        sources = ", ".join(f.name for f in files)
        draft = infer_contract(sample, name or files[0].name, sources, named)
        text, contract = write_contract(draft), parse_draft(draft)
    with waiting("cleaning the sample with the contract"):
        proof = prove(draft, contract, sample)
    if out is None:
        typer.echo(text, nl=False)
        print_proof(proof, notes)
    else:
        out.write_text(text, encoding="utf-8")
        key = ", ".join(contract.key)
        written, read_from = escape(str(out)), escape(shlex.quote(str(files[0])))
        console.print(f"wrote [bold]{written}[/]: {len(contract.columns)} columns, key {key}")
        print_proof(proof, console)
        written = escape(shlex.quote(str(out)))
        console.print(
            f"\nnext: review it, then run etl contract check {written} {read_from}", soft_wrap=True
        )
        deploy = "etl deploy" if context.obj.on_aws else "etl up"
        then = f"{deploy} --contract {written}; etl publish {read_from}"
        console.print(f"then: {then}", soft_wrap=True)
    if proof.losses:
        raise typer.Exit(1)


@guard
def check(
    contract_file: Annotated[
        Path, typer.Argument(metavar="CONTRACT", exists=True, dir_okay=False, help="TOML.")
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[SAMPLE]...", help=FILES),
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, help="Most messages to examine, from all parts of the files.")
    ] = 100_000,
    watch: Annotated[
        bool, typer.Option("--watch", help="Check again whenever one of the files is saved.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the table of a contract, and what would be loaded and rejected from a sample.

    Exits with 1 if the contract is invalid or the sample would be quarantined. The verdict is
    "pass" only if no distinct reading and no value of the sample would be lost.
    """
    if not watch:
        check_once(contract_file, files or [], most, as_json=as_json)
        return
    paths = [contract_file, *(files or [])]
    while True:
        saved = [path.stat().st_mtime_ns for path in paths if path.exists()]
        with suppress(typer.Exit):  # the reason was printed; the next save may correct it
            guard(check_once)(contract_file, files or [], most, as_json=as_json)
        notes.print(f"[dim]•[/] watching {len(paths)} files; Ctrl-C ends it")
        while saved == [path.stat().st_mtime_ns for path in paths if path.exists()]:
            time.sleep(WATCH_SECONDS)


def check_once(contract_file: Path, files: Sequence[Path], most: int, *, as_json: bool) -> None:
    """Check a contract, and a sample if there are files."""
    from etl.authoring.own_decoders import check_decoder
    from etl.authoring.regular_expressions import check_expressions
    from etl.authoring.units import resolve_units
    from telemetry.ddl import plan_table

    contract = resolve_units(load_contract(contract_file))
    check_expressions(contract)
    check_decoder(contract)
    statements = plan_table(contract, None)
    checked = None
    if files:
        from etl.authoring.check import check as check_sample

        sample = read(files, most)
        with waiting("cleaning the sample"):
            checked = check_sample(contract, sample)
    if as_json:
        result = None if checked is None else checked.as_dict()
        facts = {"contract": contract.name, "digest": contract.digest, "statements": statements}
        print_json(facts | {"sample": result})
    else:
        print_contract(contract, statements)
        if checked is not None:
            print_report(checked)
    if checked is not None and checked.verdict == "quarantine":
        raise typer.Exit(1)


@guard
def diff(
    context: typer.Context,
    old: Annotated[
        str,
        typer.Argument(help=f"Contract file, or '{DEPLOYED}' for that of the running pipeline."),
    ],
    new: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="New contract file.")],
    name: Annotated[
        str | None,
        typer.Option(
            "--contract",
            metavar="NAME",
            help=f"Which contract of a running pipeline with several '{DEPLOYED}' means. Default: "
            "the one named like the new one.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what changes from one contract to another, and what deploy will do about it.

    Exits with 1 if deploy refuses the change, so that it must be made by hand.
    """
    from etl.authoring.diff import diff as compare

    after = load_contract(new)
    if old == DEPLOYED and not Path(old).exists():
        before = _deployed(target_of(context.obj).contracts, name or after.name, chosen=name)
    else:
        before = load_contract(Path(old))
    found = compare(before, after)
    if as_json:
        print_json(found.as_dict())
    else:
        print_difference(found)
    if found.destructive:
        raise typer.Exit(1)


def _deployed(contracts: ContractSet, name: str, *, chosen: str | None) -> Contract:
    """The contract in force to compare with: a pipeline's only one has any name."""
    if chosen is None and len(contracts) == 1:
        return contracts.first
    return contracts.named(name)


def register(parent: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (infer, check, diff, describe):
        app.command()(command)
    parent.add_typer(app, name="contract")
