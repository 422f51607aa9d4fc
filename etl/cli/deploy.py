"""``etl plan`` and ``etl deploy``: show the plan, then change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from etl.cli.context import JsonOption, console, counted, fail, guard, notes, print_json
from etl.cli.deploy_options import (
    DeployContext,
    LocalOption,
    SetOption,
    SettingsOption,
    deploy_context,
    waiting_for_phases,
)
from etl.deployment.settings_schema import setting_of
from infrastructure.settings import TriggerMode

if TYPE_CHECKING:
    from etl.deployment.plan import DeployPlan
    from etl.deployment.stack_build import DeploymentBuild

ContractOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--contract",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help=f"{setting_of('contract').text} Repeatable, for several kinds of messages.",
    ),
]
TriggerOption = Annotated[TriggerMode | None, typer.Option(help=setting_of("run.trigger").text)]
ScheduleOption = Annotated[str | None, typer.Option(help=setting_of("run.schedule").text)]
ReplaceFirstOption = Annotated[
    bool,
    typer.Option(
        "--replace-first",
        help="Let a further contract take the place of the first one, which is not listed any "
        "more: it reads what waits of it.",
    ),
]
EmailOption = Annotated[str | None, typer.Option(help=setting_of("operation.alert_email").text)]


@guard
def plan(
    context: typer.Context,
    settings: SettingsOption = None,
    contracts: ContractOption = None,
    trigger: TriggerOption = None,
    schedule: ScheduleOption = None,
    alert_email: EmailOption = None,
    overrides: SetOption = None,
    local: LocalOption = False,
    replace_first: ReplaceFirstOption = False,
    as_json: JsonOption = False,
    detailed: Annotated[
        bool,
        typer.Option(
            "--detailed-exit-code",
            help="Exit with 0 if nothing would change, 10 if something would, 11 if data would be "
            "lost.",
        ),
    ] = False,
) -> None:
    """Show what `etl deploy` would change, and change nothing."""
    flags = _flags(contracts, trigger, schedule, alert_email)
    chosen = deploy_context(context, settings, flags, overrides, local=local)
    made, _ = _make_plan(chosen, replace_first=replace_first)
    if as_json:
        print_json(made.as_dict())
    else:
        _print_plan(chosen, made)
    if detailed:
        raise typer.Exit(made.exit_code)


@guard
def deploy(
    context: typer.Context,
    settings: SettingsOption = None,
    contracts: ContractOption = None,
    trigger: TriggerOption = None,
    schedule: ScheduleOption = None,
    alert_email: EmailOption = None,
    overrides: SetOption = None,
    local: LocalOption = False,
    replace_first: ReplaceFirstOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for confirmation.")] = False,
    schema_is_ready: Annotated[
        bool,
        typer.Option(
            "--schema-is-ready",
            help="Confirm that you have run the statements that the migration leaves to you.",
        ),
    ] = False,
    skip: Annotated[
        list[str] | None,
        typer.Option(help="Resource to skip when a failed rollback is continued; repeatable."),
    ] = None,
) -> None:
    """Create the pipeline or update it to its settings and contract. Safe to run again.

    Shows the plan and asks before it changes anything.
    """
    flags = _flags(contracts, trigger, schedule, alert_email)
    chosen = deploy_context(context, settings, flags, overrides, local=local)
    made, build = _make_plan(chosen, replace_first=replace_first)
    _print_plan(chosen, made)
    if made.refused and not schema_is_ready:
        raise fail(
            "The migration can't apply this contract, so nothing was changed. Run the statements "
            "above as the database's owner, then deploy with --schema-is-ready; or fix the "
            "contract."
        )
    if build.settings.stack_policy:
        _refuse_protected(made)
    if not yes:
        _ask(made)
    _execute(chosen, made, build, tuple(skip or ()))


def _flags(
    contracts: list[Path] | None, trigger: str | None, schedule: str | None, email: str | None
) -> dict[str, Any]:
    files = [str(one.absolute()) for one in contracts or ()]
    return {
        "contract": files[0] if len(files) == 1 else None,
        "contracts": files if len(files) > 1 else None,
        "run.trigger": trigger,
        "run.schedule": schedule,
        "operation.alert_email": email,
    }


def _make_plan(chosen: DeployContext, *, replace_first: bool) -> tuple[DeployPlan, DeploymentBuild]:
    from etl.deployment.planner import make_plan

    settings, platform = chosen.settings()
    with waiting_for_phases("making the plan") as notify:
        return make_plan(chosen.target, settings, platform, notify, replace_first=replace_first)


def _print_plan(chosen: DeployContext, made: DeployPlan) -> None:
    from etl.cli.plan_view import print_plan

    print_plan(console, made, chosen.remarks())


def _refuse_protected(made: DeployPlan) -> None:
    from etl.deployment.protection import refused_changes

    refused = refused_changes(made.stacks)
    if refused:
        raise fail(
            f"The stack policy refuses this update, so nothing was changed: {'; '.join(refused)}. "
            "If that is what you want, deploy with --set operation.stack_policy=false; the next "
            "deployment without it protects the stack again."
        )


def _ask(made: DeployPlan) -> None:
    question = "Lose that data, and deploy?" if made.losses else "Deploy?"
    if not made.changes:
        return
    typer.confirm(question, abort=True, err=True)


def _execute(
    chosen: DeployContext, made: DeployPlan, build: DeploymentBuild, skip: tuple[str, ...]
) -> None:
    from etl.cli.progress import show_progress
    from etl.deployment.executor import DeploymentExecutor
    from etl.deployment.laptop import create_database

    stack = chosen.target.stack
    create_database(chosen.target, build.settings)
    interrupted = (
        "CloudFormation continues. `etl deploy` waits for the operation in progress on stack "
        f"{stack} and executes the steps that are left; "
        f"`aws cloudformation cancel-update-stack --stack-name {stack}` rolls an update back."
    )
    with show_progress(notes, made, interrupted=interrupted) as listener:
        executor = DeploymentExecutor(chosen.target, build, listener, skip)
        executor.run(made.steps)
    _print_schema_changes(executor.schema_changes)
    console.print(f"[green]deployed[/]: stack [bold]{stack}[/]")
    console.print(f"[dim]next: {_next_command(chosen)}[/]", soft_wrap=True)


def _print_schema_changes(statements: list[str]) -> None:
    """Print what the migration ran on the table; of comments only their number."""
    comments = [one for one in statements if one.startswith("COMMENT ")]
    for statement in statements:
        if statement not in comments:
            console.print(f"[dim]schema:[/] {escape(statement)}", soft_wrap=True)
    if comments:
        console.print(f"[dim]schema: {counted(len(comments), 'comment')} on table and columns[/]")


def _next_command(chosen: DeployContext) -> str:
    """Return the command that shows the status of what was deployed."""
    target, words = chosen.target, ["etl"]
    if target.local is None:
        words += ["--profile", target.profile] if target.profile else []
        words += ["--region", target.session.region_name]
    words += ["--stack", target.stack] if target.stack != "telemetry" else []
    return f"{' '.join(words)} status"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(plan)
    app.command()(deploy)
