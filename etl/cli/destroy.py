"""``etl destroy`` and ``etl outputs``: take a pipeline down, ask a stack what it made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from etl.cli.context import JsonOption, console, fail, guard, notes, print_json
from etl.cli.deploy_options import LocalOption, Place, SettingsOption, place, told

if TYPE_CHECKING:
    from etl.deployment.teardown_plan import Farewell


@guard
def destroy(
    context: typer.Context,
    settings: SettingsOption = None,
    local: LocalOption = False,
    with_data: Annotated[
        bool,
        typer.Option(
            "--with-data",
            help="Delete data, too: messages, the bucket and its key, the platform's database.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go and what would stay.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete the pipeline's stacks. Keeps data unless told otherwise."""
    from etl.deployment.teardown_plan import farewell

    where = place(context, settings, {}, local=local)
    found = farewell(where.target, with_data=with_data)
    if as_json:
        print_json(found.as_dict())
    elif found.steps:
        _tell(found)
    if not found.steps:
        console.print(f"There is no stack '{found.stack}': nothing to destroy.")
        return
    if dry_run:
        return
    if found.protected:
        raise fail(found.protected)
    if found.blocked:
        raise fail(
            f"Stack {found.stack} still holds {'; '.join(found.blocked)}. Let messages be loaded "
            "(`etl status`) and detach the devices; or delete all of it with --with-data."
        )
    if not yes:
        _ask(found.stack)
    _carry_out(where, found, with_data=with_data)
    console.print(f"[green]destroyed[/]: stack [bold]{escape(found.stack)}[/]")


def _tell(found: Farewell) -> None:
    for title, style, sentences in (("goes", "red", found.goes), ("stays", "green", found.stays)):
        console.print(f"[bold {style}]{title}[/]")
        for sentence in sentences:
            console.print(f"  {escape(sentence)}", soft_wrap=True)


def _ask(stack: str) -> None:
    answer = typer.prompt(f"Type the stack's name, {stack}, to delete it", err=True)
    if answer.strip() != stack:
        raise fail("That is another name: nothing was deleted.")


def _carry_out(where: Place, found: Farewell, *, with_data: bool) -> None:
    from etl.cli.progress import DeployProgress
    from etl.deployment.destroy import destroy as delete_core
    from etl.deployment.executor import Destruction

    target = where.target
    with DeployProgress(notes) as progress:
        destruction = Destruction(
            target,
            lambda: delete_core(
                target.session,
                target.stack,
                told,
                with_data=with_data,
                endpoint_url=target.local.endpoint_url if target.local else None,
                watch=progress.listener.event,
            ),
            progress.listener,
        )
        try:
            for step in found.steps:
                destruction.do(step)
        except KeyboardInterrupt:
            progress.stop()
            notes.print(
                "[yellow]interrupted[/]: CloudFormation goes on deleting. `etl destroy` again "
                "follows it and does what is left.",
                soft_wrap=True,
            )
            raise typer.Exit(130) from None


@guard
def outputs(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One output, printed bare.")] = None,
    settings: SettingsOption = None,
    local: LocalOption = False,
    platform: Annotated[
        bool, typer.Option("--platform", help="Of the platform stack instead.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """What the stack made: names, addresses, ARNs."""
    from etl.aws.cloudformation import outputs as outputs_of
    from etl.aws.cloudformation import stack_status
    from etl.deployment.pipeline_settings import platform_stack

    target = place(context, settings, {}, local=local).target
    stack = platform_stack(target.stack) if platform else target.stack
    formation = target.client("cloudformation")
    if stack_status(formation, stack) is None:
        raise fail(f"There is no stack '{stack}' yet: `etl deploy`, or name another with --stack.")
    found = outputs_of(formation, stack)
    if name is not None:
        _print_one(found, name)
    elif as_json:
        print_json(found)
    else:
        for key in sorted(found):
            console.print(f"{key} [dim]=[/] {escape(found[key])}", soft_wrap=True)


def _print_one(found: dict[str, str], name: str) -> None:
    from difflib import get_close_matches

    if name not in found:
        close = get_close_matches(name, found, n=1)
        hint = f": is {close[0]} meant?" if close else "; `etl outputs` lists them."
        raise fail(f"The stack has no output {name}{hint}")
    sys.stdout.write(found[name] + "\n")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(destroy)
    app.command()(outputs)
