"""``etl settings``: write a settings file, check one, look a key up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from etl.cli.context import console, fail, guard, print_json
from etl.cli.deploy_options import SETTINGS_FILE, SettingsOption, pipeline_of
from etl.deployment.pipeline_settings import platform_stack

commands = typer.Typer(
    help="The settings file of a deployment: write one, check it, look a key up.",
    no_args_is_help=True,
)


@commands.command()
@guard
def init(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = SETTINGS_FILE,
    stack: Annotated[str, typer.Option(help="Name of the stack.")] = "telemetry",
    contract: Annotated[str, typer.Option(help="The contract's file.")] = "contracts/fleet.toml",
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that is there.")
    ] = False,
) -> None:
    """Write a settings file with every key, its default and what it is for."""
    from etl.deployment.settings_example import example

    if file.exists() and not force:
        raise fail(f"{file} is there already: name another file, or write over it with --force.")
    file.write_text(example(stack, contract), encoding="utf-8")
    console.print(f"wrote {file}: go through it, then `etl plan`", soft_wrap=True)


@commands.command()
@guard
def check(
    file: Annotated[Path, typer.Argument(help="The settings file.")] = SETTINGS_FILE,
) -> None:
    """Say whether a settings file would do for AWS, without asking AWS."""
    from etl.deployment.pipeline_settings import PipelineSettings, aws_settings, platform_settings
    from etl.deployment.settings_file import read_file

    pipeline = PipelineSettings(read_file(file))
    settings = aws_settings(pipeline)
    if pipeline.has_platform:
        # The region's list is looked up when it is deployed.
        platform_settings(pipeline, settings, "pl-00000000")
    parts = "two stacks" if pipeline.has_platform else "one stack"
    console.print(f"[green]fine[/]: {parts}, {settings.stack}, of {settings.contract}")


@commands.command(name="list")
@guard
def list_keys(
    word: Annotated[str, typer.Argument(help="Only keys or texts with this word.")] = "",
) -> None:
    """Every key, its default and what it is for."""
    from etl.deployment.settings_example import rows

    table = Table("key", "default", "what it is for")
    for key, default, text in rows():
        if word.lower() in f"{key} {text}".lower():
            table.add_row(key, default, text)
    console.print(table)


Who = Literal["deployer", "cloudformation", "cloudformation-platform", "cloudformation-quicksight"]


@commands.command()
@guard
def policy(
    context: typer.Context,
    who: Annotated[
        Who,
        typer.Argument(help="Who deploys, or the role by which CloudFormation makes a stack."),
    ] = "deployer",
    account: Annotated[str, typer.Option(help="The AWS account's number.")] = "123456789012",
    settings: SettingsOption = None,
) -> None:
    """Print the IAM policy that a deployment by these settings needs."""
    from etl.deployment.permissions import Part, cloudformation_policy, deployer_policy

    pipeline = pipeline_of(context, settings)
    region = pipeline.values.get("region")
    if region is None:
        raise fail("The policy names a region: give --region, or `region` in the settings file.")
    if who == "deployer":
        role = pipeline.values.get("execution_role_arn", "")
        print_json(deployer_policy(pipeline.stack, account, region, role))
        return
    if who == "cloudformation":
        print_json(cloudformation_policy("core", pipeline.stack, account, region))
    else:
        stack = platform_stack(pipeline.stack)
        part: Part = "quicksight" if who.endswith("quicksight") else "platform"
        print_json(cloudformation_policy(part, stack, account, region))


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(commands, name="settings")
