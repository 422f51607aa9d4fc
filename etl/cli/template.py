"""``etl template``: the plain templates, for tools other than `etl deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from etl.cli.context import console, counted, guard
from etl.cli.deploy_options import (
    LocalOption,
    SetOption,
    SettingsOption,
    deploy_context,
    print_phase,
)

commands = typer.Typer(
    help="Write the plain CloudFormation templates, for Terraform, CDK and others.",
    no_args_is_help=True,
)


@commands.callback()
def _group() -> None:
    """Keep `export` a command of its own: Typer makes the only command the group itself."""


@commands.command()
@guard
def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="New or empty folder to write into.")],
    bucket: Annotated[
        str, typer.Option(help="Bucket from which CloudFormation will read the zips.")
    ],
    settings: SettingsOption = None,
    overrides: SetOption = None,
    local: LocalOption = False,
) -> None:
    """Write templates, parameters and zips into a folder, with the order of steps. Changes nothing
    in an account."""
    from etl.deployment.template_export import build_export, export_templates

    chosen = deploy_context(context, settings, {}, overrides, local=local)
    core, platform = chosen.settings()
    region = chosen.target.session.region_name
    build = build_export(core, platform, region=region, bucket=bucket, notify=print_phase)
    files = export_templates(build, folder)
    console.print(f"wrote {counted(len(files), 'file')} to {folder}", soft_wrap=True)
    console.print(f"[dim]next: {folder / 'README.md'}[/]", soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(commands, name="template")
