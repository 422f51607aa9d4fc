"""The command line. Each module in this package holds the commands for one topic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer.models import CommandInfo, TyperInfo

from etl.aws.target import DEFAULT_STACK, DEFAULT_STATE
from etl.cli import (
    alarms,
    athena,
    channels,
    conflicts,
    connect,
    contract,
    cost,
    dashboard,
    data,
    database,
    demo,
    deploy,
    destroy,
    devices,
    diagram,
    dlq,
    doctor,
    execution_list,
    executions,
    export,
    game_day,
    init,
    lineage,
    metrics,
    pgadmin,
    publish,
    quarantine,
    rejects,
    replay,
    rollups,
    settings,
    stack,
    status,
    sweep,
    table,
    template,
    triggers,
)
from etl.cli.context import Options, in_project
from etl.version import product_version

app = typer.Typer(
    name="etl",
    help="Device telemetry over MQTT into PostgreSQL, each reading exactly one clean row.\n\n"
    "Without --profile or --region a command acts on the local stack (`etl up`).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(requested: bool) -> None:
    """Print the version and exit, where it was requested."""
    if requested:
        typer.echo(f"telemetry-etl {product_version()}")
        raise typer.Exit


@app.callback()
def choose_target(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    stack_name: Annotated[
        str, typer.Option("--stack", envvar="ETL_STACK", help="CloudFormation stack.")
    ] = DEFAULT_STACK,
    region: Annotated[
        str | None,
        typer.Option(envvar="ETL_REGION", help="AWS region; selects AWS."),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(envvar="ETL_PROFILE", help="AWS profile; selects AWS."),
    ] = None,
    state: Annotated[
        Path, typer.Option(envvar="ETL_STATE", help="Folder of the local stack.")
    ] = DEFAULT_STATE,
) -> None:
    """Device telemetry over MQTT into PostgreSQL, each reading exactly one clean row."""
    stack_name, state = in_project(context.get_parameter_source, stack_name, state)
    context.obj = Options(stack_name, region, profile, state)


PANELS = {
    "The pipeline": (
        "up", "down", "demo", "settings", "plan", "deploy", "destroy", "outputs", "template",
        "database", "doctor", "status",
    ),
    "Contract and messages": ("init", "contract", "simulate", "publish"),
    "Watch": (
        "dashboard", "executions", "run", "triggers", "trace", "logs", "diagram", "alarms",
        "channels", "metrics", "cost",
    ),
    "Account for and repair": (
        "reconcile", "rejects", "conflicts", "quarantine", "dlq", "replay", "backfill", "sweep",
        "devices", "game-day",
    ),
    "Use the data": (
        "psql", "pgadmin", "export", "connect", "lineage", "table", "rollups", "athena",
    ),
}  # fmt: skip
"""The commands in the order of the help text, by panel."""


def _arrange() -> None:
    """Gives each command its panel, in the order of the panels."""
    panels = {name: panel for panel, names in PANELS.items() for name in names}
    order = list(panels)
    registered: list[CommandInfo | TyperInfo] = [*app.registered_commands, *app.registered_groups]
    for command in registered:
        command.rich_help_panel = panels[_name(command)]
    app.registered_commands.sort(key=lambda command: order.index(_name(command)))
    app.registered_groups.sort(key=lambda group: order.index(_name(group)))


def _name(command: CommandInfo | TyperInfo) -> str:
    function = getattr(command, "callback", None)
    return str(command.name or getattr(function, "__name__", ""))


for module in (
    init, stack, status, settings, doctor, deploy, destroy, template, publish, execution_list,
    executions, triggers, diagram, alarms, channels, metrics, sweep, data, database, export,
    lineage, table, rollups, athena, rejects, conflicts, quarantine, replay, dlq, devices,
    contract, dashboard, pgadmin, connect, cost, demo, game_day,
):  # fmt: skip
    module.register(app)


def run() -> None:
    """Entry point of the ``etl`` script."""
    from workflow.states.without_sagemaker import skip_sagemaker

    skip_sagemaker()
    app()


if __name__ == "__main__":
    run()
_arrange()
