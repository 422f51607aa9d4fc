"""``etl doctor``: checks an account before a deployment, and a pipeline after it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from etl.cli.context import JsonOption, console, guard, message_of, notes, print_json
from etl.cli.deploy_options import (
    DeployContext,
    LocalOption,
    SetOption,
    SettingsOption,
    deploy_context,
)
from etl.cli.wait_line import waiting
from etl.doctor.check_result import CheckResult, Status, any_failed
from etl.doctor.examination import Examination
from etl.operations.escaping import escape_text

__all__ = ["register"]

STYLES: dict[Status, str] = {"pass": "green", "fail": "bold red", "not checked": "yellow"}
WIDTH = max(map(len, STYLES))


@guard
def doctor(
    context: typer.Context,
    settings: SettingsOption = None,
    contract: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File of the contract.")
    ] = None,
    overrides: SetOption = None,
    local: LocalOption = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Agree to the change set, the canary and the test alarm.")
    ] = False,
    no_canary: Annotated[
        bool, typer.Option("--no-canary", help="Send no canary and no test alarm.")
    ] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Create no change set either, and ask nothing.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=1, help="Most seconds to wait for the canary.")
    ] = 300.0,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Also write a report to this file, without secrets, account numbers, host names."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check an account before a deployment, and the deployed pipeline after it.

    Each line says pass, fail or not checked, and what to do. Exits with 1 if a check fails. All is
    read-only, except for a change set of each stack, which is deleted again, and for one message
    from a canary device with a test alarm: on AWS it asks before these.
    """
    flags = {"contract": str(contract.absolute()) if contract else None}
    chosen = deploy_context(context, settings, flags, overrides, local=local)
    examination = _examination(chosen, wait, yes=yes, read_only=read_only, no_canary=no_canary)
    results = _run(examination, quiet=as_json)
    if as_json:
        print_json([result.as_dict() for result in results])
    else:
        _print_sums(results)
    if report is not None:
        _write_report(report, examination, results)
    if any_failed(results):
        raise typer.Exit(1)


def _examination(
    chosen: DeployContext, wait: float, *, yes: bool, read_only: bool, no_canary: bool
) -> Examination:
    """Ask for what is to be agreed to; nothing needs to be on this machine's stand-ins."""
    free = yes or chosen.target.local is not None
    stack = chosen.target.stack
    return Examination(
        target=chosen.target,
        load_settings=chosen.settings,
        explain=message_of,
        may_create_change_set=not read_only
        and (free or _ask(f"Create a change set of stack {stack}, and delete it again?")),
        may_send_canary=not (read_only or no_canary)
        and (
            free
            or _ask(
                "If the pipeline is deployed: send one message as its canary device, and one test "
                "alarm to all subscribers?"
            )
        ),
        wait_seconds=wait,
    )


def _ask(question: str) -> bool:
    return typer.confirm(question, err=True)


def _run(examination: Examination, *, quiet: bool) -> list[CheckResult]:
    from etl.doctor.sections import examine

    results = []
    until = f"the canary waits {examination.wait_seconds:.0f} s at most"
    with waiting("checking", until if examination.may_send_canary else "") as say:
        for result in examine(examination, say):
            results.append(result)
            if not quiet:
                _print(result)
    return results


def _print(result: CheckResult) -> None:
    # On a terminal the line of the wait is on standard error, which has to print around it.
    out = notes if console.is_terminal and notes.is_terminal else console
    line = Text(f"{result.status:<{WIDTH}}  ", STYLES[result.status])
    line.append(f"{result.name}: ", "bold").append(escape_text(result.finding), "not bold default")
    out.print(line, soft_wrap=True)
    if result.remedy:
        out.print(Text(f"{'':<{WIDTH}}  → {escape_text(result.remedy)}", "dim"), soft_wrap=True)


def _print_sums(results: Iterable[CheckResult]) -> None:
    counts = dict.fromkeys(STYLES, 0)
    for result in results:
        counts[result.status] += 1
    console.print(
        f"{counts['pass']} passed, {counts['fail']} failed, {counts['not checked']} not checked"
    )


def _write_report(file: Path, examination: Examination, results: list[CheckResult]) -> None:
    from etl.doctor.report import report

    names = []
    if "settings" in vars(examination):
        names.append(examination.settings[0].database.host)
    target = examination.target
    if "_description" in vars(target):
        names.append(target.parameters.get("DatabaseHost", ""))
    body = report(results, region=examination.region, local=examination.local, names=names)
    file.write_text(body, encoding="utf-8")
    notes.print(f"wrote {file}: read it before you send it", markup=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(doctor)
