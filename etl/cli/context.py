"""What every command needs: the target, two consoles, and errors told to a person."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from etl.aws.target import DEFAULT_STACK, DEFAULT_STATE, NoStackError, Target

__all__ = [
    "JsonOption",
    "Options",
    "console",
    "counted",
    "fail",
    "guard",
    "print_json",
    "target_of",
]

console = Console(highlight=False, emoji=False)
"""For results. Progress and remarks go to :data:`notes`, so that output can be piped."""
notes = Console(stderr=True, highlight=False, emoji=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Options:
    """The options before the command: what to act on."""

    stack: str = DEFAULT_STACK
    region: str | None = None
    profile: str | None = None
    state: Path = DEFAULT_STATE

    @property
    def on_aws(self) -> bool:
        """Whether an AWS account was named; else the laptop's stand-ins are meant."""
        return bool(self.region or self.profile)


def fail(message: str) -> typer.Exit:
    """Say what is wrong and what to do next; ``raise`` the result."""
    # Escaped: a "[message]" in it is a table of a contract, not a style.
    notes.print(f"[bold red]error[/] {escape(message)}", soft_wrap=True)
    return typer.Exit(1)


def target_of(options: Options) -> Target:
    """The target named by the options. Ends the command when nothing runs here."""
    if options.on_aws:
        return Target(options.stack, options.region, options.profile, options.state)
    from local.stack import read

    local = read(options.state)
    if local is None:
        raise fail(
            "Nothing runs on this machine. Start it with `etl up`, "
            "or name an AWS account with `etl --profile ... --region ... --stack ...`."
        )
    return Target(options.stack, local.region, None, options.state, local)


def print_json(value: Any) -> None:
    """Print plain data as JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def counted(number: int, noun: str) -> str:
    """``1 reject``, ``2 rejects``, ``3 micro-batches``."""
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


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
            message = _told(error)
            if message is None:
                raise
            raise fail(message) from error

    return guarded  # type: ignore[return-value]


def _told(error: Exception) -> str | None:
    """The sentence for a failure that is not a bug, else ``None``."""
    import psycopg2

    from etl.authoring.samples import SampleError
    from etl.aws.cloudformation import StackError
    from etl.cli import aws_errors as refusals
    from etl.deployment.migration import MigrationError
    from etl.deployment.packaging import PackageError
    from etl.deployment.settings_file import SettingsError
    from etl.deployment.teardown import HoldsDataError
    from etl.operations.batch_selection import NotFoundError
    from etl.operations.rollups import RollupsError
    from etl.operations.time_range import SpanError
    from layers.build import LayerBuildError
    from local.devices.mqtt import ConnectionRefusedByBrokerError, MessageTooLargeError
    from local.pgadmin import PgAdminError
    from local.pgadmin.environment import InstallationError
    from local.stack import LocalStackError
    from telemetry.errors import TelemetryError
    from workflow.limits import DefinitionError

    expected = (
        NoStackError,
        TelemetryError,
        SampleError,
        SpanError,
        NotFoundError,
        LocalStackError,
        InstallationError,
        PgAdminError,
        ConnectionRefusedByBrokerError,
        MessageTooLargeError,
        StackError,
        MigrationError,
        RollupsError,
        SettingsError,
        HoldsDataError,
        LayerBuildError,
        PackageError,
        DefinitionError,
    )
    if isinstance(error, expected):
        return str(error)
    of_aws = refusals.told(error)
    if of_aws is not None:
        return of_aws
    if isinstance(error, psycopg2.OperationalError):
        return f"PostgreSQL can't be reached: {str(error).strip()}"
    if isinstance(error, OSError):
        return str(error)
    return None
