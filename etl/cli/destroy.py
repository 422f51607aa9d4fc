"""``etl destroy`` deletes a pipeline, ``etl outputs`` prints a stack's outputs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.text import Text

from etl.cli.completion import complete_output
from etl.cli.context import JsonOption, console, fail, guard, notes, print_json
from etl.cli.deploy_options import LocalOption, SettingsOption, deploy_context
from etl.cli.wait_line import waiting

if TYPE_CHECKING:
    from etl.aws.target import Target
    from etl.deployment.teardown_plan import TeardownPlan


@guard
def destroy(
    context: typer.Context,
    settings: SettingsOption = None,
    local: LocalOption = False,
    with_data: Annotated[
        bool,
        typer.Option(
            "--with-data",
            help="Also delete data: messages, the bucket and its key, the platform's database.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for confirmation.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be deleted and what would be kept.")
    ] = False,
    lift_protection: Annotated[
        bool,
        typer.Option(
            "--lift-protection",
            help="Lift the stacks' termination protection without asking; for scripts, with --yes.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete the pipeline's stacks. Keeps data unless --with-data is given."""
    from etl.deployment.held_data import loss_warning
    from etl.deployment.teardown_plan import plan_teardown

    target = deploy_context(context, settings, {}, local=local).target
    with waiting("looking at what the stack holds"):
        plan = plan_teardown(target, with_data=with_data)
    if as_json:
        print_json(plan.as_dict())
    elif plan.steps:
        _print_effects(plan)
    if not plan.steps:
        console.print(f"There is no stack '{plan.stack}': nothing to destroy.")
        return
    if dry_run:
        return
    if plan.protected:
        raise fail(plan.protected)
    if plan.blocked:
        raise fail(loss_warning(plan.stack, plan.blocked))
    if plan.termination_protected and not lift_protection:
        _ask_to_lift(plan, may_ask=not yes)
    if not yes:
        _ask(plan.stack)
    _execute(target, plan, with_data=with_data)
    console.print(f"[green]destroyed[/]: stack [bold]{escape(plan.stack)}[/]")


def _print_effects(plan: TeardownPlan) -> None:
    for title, style, sentences in (
        ("to delete", "red", plan.deleted),
        ("to keep", "green", plan.kept),
    ):
        console.print(f"[bold {style}]{title}[/]")
        for sentence in sentences:
            console.print(f"  {escape(sentence)}", soft_wrap=True)


def _ask_to_lift(plan: TeardownPlan, *, may_ask: bool) -> None:
    if not may_ask:
        raise fail(f"{plan.how_to_lift}\nNothing was deleted.")
    notes.print(Text(plan.how_to_lift), soft_wrap=True)
    typer.confirm("Lift the protection?", abort=True, err=True)


def _ask(stack: str) -> None:
    answer = typer.prompt(f"Type the stack's name, {stack}, to delete it", err=True)
    if answer.strip() != stack:
        raise fail("That is not the stack's name: nothing was deleted.")


def _execute(target: Target, plan: TeardownPlan, *, with_data: bool) -> None:
    from etl.cli.progress import show_progress
    from etl.deployment.teardown import TeardownExecutor

    interrupted = (
        "CloudFormation continues to delete. Run `etl destroy` again: it waits for that and "
        "executes the steps that are left."
    )
    with show_progress(notes, interrupted=interrupted) as listener:
        TeardownExecutor(target, with_data, listener).run(plan.steps)


@guard
def outputs(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of one output; prints only its value.", autocompletion=complete_output
        ),
    ] = None,
    settings: SettingsOption = None,
    local: LocalOption = False,
    platform: Annotated[
        bool, typer.Option("--platform", help="Print the platform stack's outputs instead.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the stack's outputs: names, addresses, ARNs."""
    from etl.aws.cloudformation import outputs as outputs_of
    from etl.aws.cloudformation import stack_status
    from etl.deployment.pipeline_settings import platform_stack

    target = deploy_context(context, settings, {}, local=local).target
    stack = platform_stack(target.stack) if platform else target.stack
    formation = target.client("cloudformation")
    if stack_status(formation, stack) is None:
        raise fail(f"There is no stack '{stack}' yet: `etl deploy`, or name another with --stack.")
    values = outputs_of(formation, stack)
    if name is not None:
        _print_one(values, name)
    elif as_json:
        print_json(values)
    else:
        for key in sorted(values):
            console.print(f"{key} [dim]=[/] {escape(values[key])}", soft_wrap=True)


def _print_one(values: dict[str, str], name: str) -> None:
    from difflib import get_close_matches

    if name not in values:
        close = get_close_matches(name, values, n=1)
        hint = f": is {close[0]} meant?" if close else "; `etl outputs` lists them."
        raise fail(f"The stack has no output {name}{hint}")
    sys.stdout.write(values[name] + "\n")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(destroy)
    app.command()(outputs)
