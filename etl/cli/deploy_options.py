"""What `plan`, `deploy`, `destroy` and `outputs` share: options, settings, and where to act."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from etl.aws.target import Target
from etl.cli.context import Options, fail, notes
from etl.deployment.pipeline_settings import PipelineSettings, aws_settings, platform_settings
from etl.deployment.settings_file import (
    EnteredSettings,
    SettingsError,
    flag_value,
    from_flags,
    read_file,
)
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DeploySettings

__all__ = [
    "SETTINGS_FILE",
    "LocalOption",
    "Place",
    "SetOption",
    "SettingsOption",
    "pipeline_of",
    "place",
    "told",
]

SETTINGS_FILE = Path("pipeline.toml")

SettingsOption = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        envvar="ETL_SETTINGS",
        help="Settings file (TOML); pipeline.toml in this folder where it is there.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override any setting; may be repeated."),
]
LocalOption = Annotated[
    bool,
    typer.Option("--local", help="Act on this machine's stand-ins, whatever the settings say."),
]


@dataclass(frozen=True)
class Place:
    """A target, and what is to be there."""

    target: Target
    pipeline: PipelineSettings

    def settings(self) -> tuple[DeploySettings, PlatformSettings | None]:
        """Of both stacks. Raises ``SettingsError``."""
        if self.target.local is not None:
            from etl.deployment.laptop import laptop_settings

            base = laptop_settings(self.target, self.pipeline.contract)
            return self.pipeline.applied_to(base, local=True), None
        settings = aws_settings(self.pipeline)
        if not self.pipeline.has_platform:
            return settings, None
        from infrastructure.platform.stack_links import s3_prefix_list

        given = self.pipeline.values.get("platform.s3_prefix_list_id")
        without_vpc = self.pipeline.values.get("platform.network") == "none"
        try:
            prefixes = "" if given or without_vpc else s3_prefix_list(self.target.client("ec2"))
        except LookupError as error:
            raise SettingsError(
                f"platform.s3_prefix_list_id can't be looked up: {error}"
            ) from error
        return settings, platform_settings(self.pipeline, settings, prefixes)

    def remarks(self) -> list[str]:
        """What of the settings doesn't count here."""
        if self.target.local is None:
            return []
        told = []
        if self.pipeline.has_platform:
            told.append(
                "the platform stack is left out: the emulator can't host what is in it (RDS, VPC "
                "endpoints, proxy, composite alarms); the stand-ins' PostgreSQL takes its place."
            )
        aside = [key for key in self.pipeline.ignored_locally() if not key.startswith("platform")]
        if aside:
            told.append(f"the stand-ins have their own; left aside: {', '.join(aside)}.")
        return told


def place(
    context: typer.Context,
    settings: Path | None,
    flags: dict[str, Any],
    overrides: list[str] | None = None,
    *,
    local: bool = False,
) -> Place:
    """Where to act, and the settings: flags over the file over defaults. Ends the command where
    nothing runs here and no account is named. Raises ``SettingsError``."""
    options: Options = context.obj
    pipeline = pipeline_of(context, settings, flags, overrides)
    stack = pipeline.stack
    region, profile = (pipeline.values.get(name) for name in ("region", "profile"))
    if (region or profile) and not local:
        return Place(Target(stack, region, profile, options.state), pipeline)
    from local.stack import read

    running = read(options.state)
    if running is None:
        raise fail(
            "Nothing runs on this machine. Start the stand-ins with `etl up --bare`, or name an "
            "AWS account: --region and --profile before the command, or in a settings file "
            "(`etl settings init` writes one)."
        )
    return Place(Target(stack, running.region, None, options.state, running), pipeline)


def pipeline_of(
    context: typer.Context,
    settings: Path | None,
    flags: dict[str, Any] | None = None,
    overrides: list[str] | None = None,
) -> PipelineSettings:
    """The settings alone: flags over the file over defaults. Raises ``SettingsError``."""
    said = {**(flags or {}), **dict(flag_value(one) for one in overrides or ())}
    return PipelineSettings(from_flags(_named(context)).over(_given(settings, said)))


def _given(settings: Path | None, flags: dict[str, Any]) -> EnteredSettings:
    path = settings or (SETTINGS_FILE if SETTINGS_FILE.is_file() else None)
    if path is None:
        file = EnteredSettings({}, "the settings")
    elif path.is_file():
        file = read_file(path)
    else:
        raise SettingsError(f"There is no settings file {path}: `etl settings init` writes one.")
    return from_flags({k: v for k, v in flags.items() if v is not None}).over(file)


def _named(context: typer.Context) -> dict[str, str]:
    """What stands before the command (or in ETL_...), as far as it was really said."""
    outer = context.find_root()
    found = {}
    for key, name in (("stack", "stack_name"), ("region", "region"), ("profile", "profile")):
        source = outer.get_parameter_source(name)
        if source is not None and source.name in {"COMMANDLINE", "ENVIRONMENT"}:
            found[key] = str(outer.params[name])
    return found


def told(text: str) -> None:
    """A line about a phase."""
    notes.print(f"[dim]•[/] {escape(text)}", highlight=False)
