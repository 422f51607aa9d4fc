"""``etl database``: the loader's login."""

from __future__ import annotations

from typing import Annotated

import typer

from etl.cli.context import console, guard, target_of

__all__ = ["register"]

commands = typer.Typer(help="The pipeline's logins in PostgreSQL.", no_args_is_help=True)


@commands.callback()
def _group() -> None:
    """Keep `rotate` a command of its own: Typer makes the only command the group itself."""


@commands.command()
@guard
def rotate(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")] = False,
) -> None:
    """Rotate the loader's login: another role, a new password. Loads go on meanwhile."""
    from etl.operations.loader_rotation import rotate_loader

    target = target_of(context.obj)
    if not yes:
        typer.confirm(f"Rotate the loader's login of stack {target.stack}?", abort=True, err=True)
    done = rotate_loader(target)
    console.print(f"[green]✓[/] the loader is {done.after} now; {done.before} may still log in")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(commands, name="database")
