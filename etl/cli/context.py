"""The target, the two consoles and the error messages that every command uses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from etl.aws.target import DEFAULT_STACK, DEFAULT_STATE, Target
from etl.cli import aws_errors
from etl.cli.terminal import SafeConsole
from etl.operations.plurals import counted
from etl.project import find_project
from telemetry.errors import UserError

__all__ = [
    "FILES",
    "JsonOption",
    "Options",
    "console",
    "counted",
    "fail",
    "guard",
    "in_project",
    "message_of",
    "print_json",
    "print_table",
    "target_of",
]

console = SafeConsole(highlight=False, emoji=False)
"""Standard output, for results alone, so that it can be piped; other texts go to :data:`notes`."""
notes = SafeConsole(stderr=True, highlight=False, emoji=False)

UNLIMITED_WIDTH = 1_000_000

FILES = "NDJSON, JSON, CSV, a recording or raw objects; plain, gzip or zstd; - for stdin."
"""Help text for files of messages."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Options:
    """The options before the command, which name the stack to act on."""

    stack: str = DEFAULT_STACK
    region: str | None = None
    profile: str | None = None
    state: Path = DEFAULT_STATE

    @property
    def on_aws(self) -> bool:
        """True where an AWS account was named; otherwise the command acts on the local stack."""
        return bool(self.region or self.profile)


def in_project(source_of: Callable[[str], Any], stack: str, state: Path) -> tuple[str, Path]:
    """The stack and the state folder, those of the project where none were chosen.

    ``source_of`` says where the value of a parameter comes from, as a click context does.
    """
    project = find_project()
    if project is None:
        return stack, state
    chosen = {"COMMANDLINE", "ENVIRONMENT"}

    def is_chosen(name: str) -> bool:
        source = source_of(name)
        return source is not None and source.name in chosen

    return (
        stack if is_chosen("stack_name") else project.stack or stack,
        state if is_chosen("state") else project.state,
    )


def fail(message: str) -> typer.Exit:
    """Print an error message; ``raise`` the result to end the command with exit status 1."""
    # Escaped: a "[message]" in it is a table of a contract, not a style.
    notes.print(f"[bold red]error[/] {escape(message)}", soft_wrap=True)
    return typer.Exit(1)


def target_of(options: Options, *needs: str) -> Target:
    """The target that the options name. Ends the command where there is no local stack.

    ``needs`` are the servers of the local stack that must not be down; by default the emulator.
    """
    if options.on_aws:
        return Target(options.stack, options.region, options.profile, options.state)
    from local.stack import read

    local = read(options.state)
    if local is None:
        raise fail(why_no_stack(options.state))
    trouble = local_trouble(options, *(needs or ("emulator",)))
    if trouble:
        raise fail(trouble)
    return Target(options.stack, local.region, None, options.state, local)


def why_no_stack(state: Path) -> str:
    """Say why there is no local stack in this state folder, and what starts one."""
    from local.stack import death_of, has_data

    death = death_of(state)
    if death is not None:
        return death
    other = "select a stack on AWS with `etl --profile ... --region ... --stack ...`"
    if has_data(state):
        return f"The local stack is stopped. `etl up` starts it again with its data, or {other}."
    return f"There is no local stack. Start it with `etl up`, or {other}."


def local_trouble(options: Options, *roles: str) -> str:
    """Say what died of the local stack, when and why; empty where it runs, and for AWS.

    ``roles`` are the servers that matter; without any, all do.
    """
    from local.stack import death_of, down_servers, read

    if options.on_aws:
        return ""
    if read(options.state) is None:
        return death_of(options.state) or ""
    down = [one for one in down_servers(options.state) if not roles or one.role in roles]
    return " ".join(one.sentence() for one in down)


def print_table(table: Table) -> None:
    """Print a table whose columns are at least as wide as their longest words: ids stay whole.

    A terminal wraps lines that are too long; rich would break the words.
    """
    unlimited = console.options.update(width=UNLIMITED_WIDTH)
    for column in table.columns:
        cells = (column.header, *column.cells)
        longest = max(Measurement.get(console, unlimited, cell).minimum for cell in cells)
        column.min_width = max(column.min_width or 0, longest)
    needed = Measurement.get(console, unlimited, table).minimum
    if needed > console.width:
        table.width = needed
    console.print(table, crop=False)


def print_json(value: Any) -> None:
    """Print plain data as JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


REFUSALS = {
    **dict.fromkeys(
        ("42P01", "42703", "3F000"),
        "The database is not as this version expects it; `etl deploy` migrates it",
    ),
    "42501": "PostgreSQL refuses it to this login; `etl deploy` grants it again",
}
"""Errors of a database that lacks a migration or a grant, by SQLSTATE: undefined table, column
and schema, insufficient privilege."""


def guard(command: Command) -> Command:
    """Turn expected failures of a command into one clear line and an exit status."""

    @wraps(command)
    def guarded(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            notes.print("[yellow]interrupted[/]")
            raise typer.Exit(130) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            message = message_of(error)
            if message is None:
                raise
            raise fail(_with_cause(message, (*arguments, *options.values()))) from error

    return guarded  # type: ignore[return-value]


def _with_cause(message: str, arguments: Iterable[Any]) -> str:
    """The message, after what died of the local stack where something did.

    ``arguments`` are the command's, its context among them.
    """
    found = (getattr(one, "obj", None) for one in arguments)
    options = next((one for one in found if isinstance(one, Options)), None)
    trouble = local_trouble(options) if options is not None else ""
    return message if not trouble or trouble in message else f"{trouble}\n{message}"


def message_of(error: Exception) -> str | None:
    """The sentence for a failure that is not a bug, else ``None``."""
    import psycopg2

    if isinstance(error, UserError):
        return str(error)
    aws_message = aws_errors.message_of(error)
    if aws_message is not None:
        return aws_message
    if isinstance(error, psycopg2.OperationalError):
        return f"PostgreSQL can't be reached: {str(error).strip()}"
    if isinstance(error, psycopg2.ProgrammingError) and error.pgcode in REFUSALS:
        return f"{REFUSALS[error.pgcode]}: {str(error).splitlines()[0]}"
    if isinstance(error, OSError):
        return str(error)
    return None
