"""``etl plan`` and ``etl deploy``: look first, then change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from etl.cli.context import JsonOption, console, counted, fail, guard, notes, print_json
from etl.cli.deploy_options import LocalOption, Place, SetOption, SettingsOption, place, told
from etl.deployment.settings_schema import setting_of
from infrastructure.settings import TriggerMode

if TYPE_CHECKING:
    from etl.deployment.plan import DeployPlan
    from etl.deployment.planner import Built

ContractOption = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help=setting_of("contract").text)
]
TriggerOption = Annotated[TriggerMode | None, typer.Option(help=setting_of("run.trigger").text)]
ScheduleOption = Annotated[str | None, typer.Option(help=setting_of("run.schedule").text)]
EmailOption = Annotated[str | None, typer.Option(help=setting_of("operation.alert_email").text)]


@guard
def plan(
    context: typer.Context,
    settings: SettingsOption = None,
    contract: ContractOption = None,
    trigger: TriggerOption = None,
    schedule: ScheduleOption = None,
    alert_email: EmailOption = None,
    overrides: SetOption = None,
    local: LocalOption = False,
    as_json: JsonOption = False,
    detailed: Annotated[
        bool,
        typer.Option(
            "--detailed-exit-code",
            help="End with 0 where nothing would change, 10 where something would, 11 where that "
            "loses data.",
        ),
    ] = False,
) -> None:
    """Show what `etl deploy` would change, and change nothing."""
    flags = _flags(contract, trigger, schedule, alert_email)
    where = place(context, settings, flags, overrides, local=local)
    found, _ = _survey(where)
    if as_json:
        print_json(found.as_dict())
    else:
        _tell(where, found)
    if detailed:
        raise typer.Exit(found.exit_code)


@guard
def deploy(
    context: typer.Context,
    settings: SettingsOption = None,
    contract: ContractOption = None,
    trigger: TriggerOption = None,
    schedule: ScheduleOption = None,
    alert_email: EmailOption = None,
    overrides: SetOption = None,
    local: LocalOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    schema_is_ready: Annotated[
        bool,
        typer.Option(
            "--schema-is-ready",
            help="The statements that the plan leaves to a person were run.",
        ),
    ] = False,
    skip: Annotated[
        list[str] | None,
        typer.Option(help="Resource that a failed way back leaves out; may be repeated."),
    ] = None,
) -> None:
    """Create the pipeline or bring it up to its settings and contract. Safe to repeat.

    Shows the plan and asks before it changes anything.
    """
    flags = _flags(contract, trigger, schedule, alert_email)
    where = place(context, settings, flags, overrides, local=local)
    found, built = _survey(where)
    _tell(where, found)
    if found.contract.refused and not schema_is_ready:
        raise fail(
            "The migration would refuse this contract, so nothing was changed. Run the "
            "statements above as the database's owner, then deploy with --schema-is-ready; or "
            "mend the contract."
        )
    if not yes:
        _ask(found)
    _carry_out(where, found, built, tuple(skip or ()))


def _flags(
    contract: Path | None, trigger: str | None, schedule: str | None, email: str | None
) -> dict[str, Any]:
    return {
        "contract": str(contract.absolute()) if contract else None,
        "run.trigger": trigger,
        "run.schedule": schedule,
        "operation.alert_email": email,
    }


def _survey(where: Place) -> tuple[DeployPlan, Built]:
    from etl.deployment.planner import survey

    settings, platform = where.settings()
    return survey(where.target, settings, platform, told)


def _tell(where: Place, found: DeployPlan) -> None:
    from etl.cli.plan_view import tell_plan

    tell_plan(console, found, where.remarks())


def _ask(found: DeployPlan) -> None:
    question = "Lose that data, and deploy?" if found.losses else "Deploy?"
    if not found.changes:
        return
    typer.confirm(question, abort=True, err=True)


def _carry_out(where: Place, found: DeployPlan, built: Built, skip: tuple[str, ...]) -> None:
    from etl.cli.progress import DeployProgress
    from etl.deployment.executor import Deployment

    stack = where.target.stack
    if where.target.local is not None:
        from local.postgres import ensure_database

        ensure_database(where.target.local.database, built.settings.database.name)
    with DeployProgress(notes, found) as progress:
        deployment = Deployment(where.target, built, progress.listener, skip)
        try:
            for step in found.steps:
                progress.begin(step)
                deployment.do(step)
        except KeyboardInterrupt:
            progress.stop()
            notes.print(
                "[yellow]interrupted[/]: CloudFormation goes on without you. `etl deploy` follows "
                f"what is running in stack {stack} to its end and does what is left; "
                f"`aws cloudformation cancel-update-stack --stack-name {stack}` turns an update "
                "back.",
                soft_wrap=True,
            )
            raise typer.Exit(130) from None
    _tell_schema(deployment.schema_changes)
    console.print(f"[green]deployed[/]: stack [bold]{stack}[/]")
    console.print(f"[dim]next: {_next(where)}[/]", soft_wrap=True)


def _tell_schema(statements: list[str]) -> None:
    """What the migration ran on the table; comments are but counted."""
    comments = [one for one in statements if one.startswith("COMMENT ")]
    for statement in statements:
        if statement not in comments:
            console.print(f"[dim]schema:[/] {escape(statement)}", soft_wrap=True)
    if comments:
        console.print(f"[dim]schema: {counted(len(comments), 'comment')} on table and columns[/]")


def _next(where: Place) -> str:
    """How other commands act on what was deployed."""
    target, words = where.target, ["etl"]
    if target.local is None:
        words += ["--profile", target.profile] if target.profile else []
        words += ["--region", target.session.region_name]
    words += ["--stack", target.stack] if target.stack != "telemetry" else []
    return f"{' '.join(words)} status"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(plan)
    app.command()(deploy)
