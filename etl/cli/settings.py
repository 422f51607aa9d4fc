"""``etl settings``: write, check and search a settings file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from etl.cli.context import console, fail, guard, print_json
from etl.cli.deploy_options import SETTINGS_FILE, SettingsOption, pipeline_of, settings_file
from etl.deployment.pipeline_settings import platform_stack
from infrastructure.settings import EXAMPLE_CONTRACT

commands = typer.Typer(
    help="Write, check and search the settings file of a deployment.",
    no_args_is_help=True,
)


@commands.command()
@guard
def init(
    file: Annotated[Path, typer.Argument(help="File to write.")] = SETTINGS_FILE,
    stack: Annotated[str, typer.Option(help="Name of the stack.")] = "telemetry",
    contracts: Annotated[
        list[str],
        typer.Option("--contract", metavar="FILE", help="File of the contract; repeatable."),
    ] = [EXAMPLE_CONTRACT],  # noqa: B006 - never changed
    devices: Annotated[int | None, typer.Option(min=1, help="Number of devices.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Readings per second, over all devices.")
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(min=0.001, help="In place of --rate: seconds between a device's readings."),
    ] = None,
    readings: Annotated[
        int | None, typer.Option("--readings-per-message", min=1, help="Readings in a message.")
    ] = None,
    latency: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds within which a message should be rows."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a settings file with every key, its default and its purpose.

    On a terminal it asks about the fleet, shows what each trigger costs, and sets the cheapest one
    that is fast enough. The options answer for you; without a terminal nothing is asked.
    """
    from etl.cli.settings_questions import demand_of, show_offers
    from etl.deployment.settings_example import example

    if file.exists() and not force:
        raise fail(f"{file} already exists: name another file, or overwrite it with --force.")
    on_terminal = sys.stdin is not None and sys.stdin.isatty()  # None: it is closed
    demand = demand_of(devices, rate, interval, readings, latency, on_terminal=on_terminal)
    values, reason = ({}, "") if demand is None else show_offers(demand)
    text = example(stack, *contracts, values=values, reason=reason)
    file.write_text(text, encoding="utf-8")
    console.print(f"wrote {file}: review it, then run `etl plan`", soft_wrap=True)


@commands.command()
@guard
def check(
    file: Annotated[Path, typer.Argument(help="The settings file.")] = SETTINGS_FILE,
) -> None:
    """Check whether a settings file can be deployed to AWS, without calling AWS."""
    from etl.deployment.customization import previewed_definition
    from etl.deployment.pipeline_contracts import read_contracts
    from etl.deployment.pipeline_settings import PipelineSettings, aws_settings, platform_settings
    from etl.deployment.preconditions import check_preconditions
    from etl.deployment.settings_file import read_file

    if file == SETTINGS_FILE:
        file = settings_file() or file
    pipeline = PipelineSettings(read_file(file))
    settings = aws_settings(pipeline)
    if settings.further_contracts:
        read_contracts(settings.contracts)
    if settings.customization is not None:
        previewed_definition(settings, pipeline.values.get("region"))
    # The id of the region's list is looked up at deployment.
    platform = (
        platform_settings(pipeline, settings, "pl-00000000") if pipeline.has_platform else None
    )
    check_preconditions(settings, platform, pipeline.values.get("region"))
    parts = "two stacks" if pipeline.has_platform else "one stack"
    kind = "contract" if len(settings.contracts) == 1 else "contracts"
    files = ", ".join(map(str, settings.contracts))
    console.print(f"[green]valid[/]: {parts}, {settings.stack}, {kind} {files}")


@commands.command(name="list")
@guard
def list_keys(
    word: Annotated[
        str, typer.Argument(help="Show only keys and texts that contain this word.")
    ] = "",
) -> None:
    """List every key with its default and purpose."""
    from etl.deployment.settings_example import rows

    table = Table("key", "default", "purpose")
    for key, default, text in rows():
        if word.lower() in f"{key} {text}".lower():
            table.add_row(key, default, text)
    console.print(table)


Principal = Literal[
    "deployer",
    "doctor",
    "reader",
    "repairer",
    "eraser",
    "publisher",
    "cloudformation",
    "cloudformation-platform",
    "cloudformation-quicksight",
]


@commands.command()
@guard
def policy(
    context: typer.Context,
    who: Annotated[
        Principal,
        typer.Argument(
            help="Who deploys, runs `etl doctor`, reads, repairs or erases (both include reading), "
            "or publishes test messages; or the role with which CloudFormation creates a stack."
        ),
    ] = "deployer",
    account: Annotated[str, typer.Option(help="Number of the AWS account.")] = "123456789012",
    settings: SettingsOption = None,
) -> None:
    """Print the IAM policy that a person or CloudFormation needs for this pipeline."""
    from etl.deployment.permissions import Part, cloudformation_policy, deployer_policy
    from etl.operations.permissions import OPERATORS, operator_policy

    pipeline = pipeline_of(context, settings)
    region = pipeline.values.get("region")
    if region is None:
        raise fail("The policy names a region: give --region, or `region` in the settings file.")
    if who == "deployer":
        role = pipeline.values.get("execution_role_arn", "")
        print_json(deployer_policy(pipeline.stack, account, region, role))
        return
    if who == "doctor":
        from etl.doctor.policy import doctor_policy

        print_json(doctor_policy(pipeline.stack, account, region))
        return
    if who in OPERATORS:
        print_json(operator_policy(who, pipeline.stack, account, region))
        return
    if who == "cloudformation":
        print_json(cloudformation_policy("core", pipeline.stack, account, region, pipeline.roles))
    else:
        stack = platform_stack(pipeline.stack)
        part: Part = "quicksight" if who.endswith("quicksight") else "platform"
        print_json(cloudformation_policy(part, stack, account, region, pipeline.roles))


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(commands, name="settings")
