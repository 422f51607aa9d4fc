"""``etl diagram``: a picture of the workflow, of an execution or of its trace."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from etl.cli.completion import complete_execution
from etl.cli.context import guard, notes, target_of
from etl.cli.wait_line import waiting


@guard
def diagram(
    context: typer.Context,
    execution: Annotated[
        str | None,
        typer.Option(
            help="Name or ARN of an execution, drawn over its definition.",
            autocompletion=complete_execution,
        ),
    ] = None,
    trace: Annotated[
        bool,
        typer.Option("--trace", help="Draw the execution's timeline instead."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="SVG file to write; - for standard output."),
    ] = None,
) -> None:
    """Draw the state machine, or one execution of it, as an SVG file for any browser.

    Without --execution no stack is needed; states that the settings add are drawn, too.
    """
    from etl.operations.pictures import (
        Picture,
        draw_definition,
        draw_execution,
        draw_trace,
    )

    if trace and execution is None:
        raise typer.BadParameter("--trace needs --execution")
    picture: Picture
    if execution is None:
        picture = draw_definition(_definition(context), title=context.obj.stack)
    elif trace:
        target = target_of(context.obj)
        with waiting("waiting for all segments of the trace", "10 s at most"):
            picture = draw_trace(target, execution)
    else:
        target = target_of(context.obj)
        with waiting("reading the history of the execution"):
            picture = draw_execution(target, execution)
    if output == Path("-"):
        sys.stdout.write(picture.svg + "\n")
        return
    written = picture.save(output or Path(_file_name(execution, trace)))
    notes.print(f"[green]✓[/] {written}: {picture.summary}", soft_wrap=True)


def _definition(context: typer.Context) -> dict[str, Any]:
    """The definition of the settings file, or the product's own where there is none."""
    from etl.cli.deploy_options import pipeline_of, settings_file
    from workflow.definition import definition_json

    if settings_file() is None:
        return definition_json()
    from etl.deployment.customization import previewed_definition
    from infrastructure.settings import DatabaseSettings, DeploySettings

    pipeline = pipeline_of(context, None)
    base = DeploySettings(
        stack=pipeline.stack, contract=pipeline.contracts[0], database=DatabaseSettings(host="")
    )
    return previewed_definition(pipeline.applied_to(base), pipeline.values.get("region"))


def _file_name(execution: str | None, trace: bool) -> str:
    """``workflow.svg``, ``<execution>.svg`` or ``<execution>.trace.svg``."""
    if execution is None:
        return "workflow.svg"
    return f"{execution.rpartition(':')[2]}{'.trace' if trace else ''}.svg"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(diagram)
