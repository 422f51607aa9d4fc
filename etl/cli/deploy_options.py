"""Options, settings and target shared by `plan`, `deploy`, `destroy` and `outputs`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from etl.aws.target import Target
from etl.cli.context import Options, fail, notes
from etl.cli.wait_line import waiting
from etl.deployment.kept_customization import KeptCustomization
from etl.deployment.pipeline_settings import PipelineSettings, aws_settings, platform_settings
from etl.deployment.settings_file import (
    EnteredSettings,
    SettingsError,
    flag_value,
    from_flags,
    read_file,
)
from etl.project import SETTINGS_NAME, find_project
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DeploySettings
from layers.notify import Notify

__all__ = [
    "SETTINGS_FILE",
    "DeployContext",
    "LocalOption",
    "SetOption",
    "SettingsOption",
    "deploy_context",
    "pipeline_of",
    "print_phase",
    "project_additions",
    "project_contracts",
    "settings_file",
    "waiting_for_phases",
]

SETTINGS_FILE = Path(SETTINGS_NAME)

SettingsOption = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        envvar="ETL_SETTINGS",
        help="Settings file (TOML); by default pipeline.toml of this folder or of one above it.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting; repeatable."),
]
LocalOption = Annotated[
    bool,
    typer.Option(
        "--local", help="Use this machine's stand-ins, even if the settings name an account."
    ),
]


@dataclass(frozen=True)
class DeployContext:
    """A target and the settings of the pipeline to deploy there."""

    target: Target
    pipeline: PipelineSettings

    def settings(self) -> tuple[DeploySettings, PlatformSettings | None]:
        """Return the settings of both stacks. Raises ``SettingsError``."""
        if self.target.local is not None:
            from etl.deployment.laptop import laptop_settings

            base = laptop_settings(self.target, *self.pipeline.contracts)
            return self.pipeline.applied_to(base, local=True), None
        from etl.deployment.preconditions import check_preconditions

        settings = aws_settings(self.pipeline)
        platform = self._platform(settings) if self.pipeline.has_platform else None
        check_preconditions(settings, platform, self.target.session.region_name)
        return settings, platform

    def _platform(self, settings: DeploySettings) -> PlatformSettings:
        from infrastructure.platform.stack_links import s3_prefix_list

        chosen = self.pipeline.values.get("platform.s3_prefix_list_id")
        without_vpc = self.pipeline.values.get("platform.network") == "none"
        try:
            prefixes = "" if chosen or without_vpc else s3_prefix_list(self.target.client("ec2"))
        except LookupError as error:
            raise SettingsError(
                f"platform.s3_prefix_list_id can't be looked up: {error}"
            ) from error
        return platform_settings(self.pipeline, settings, prefixes)

    def remarks(self) -> list[str]:
        """Say which settings have no effect on the stand-ins."""
        if self.target.local is None:
            return []
        remarks = []
        if self.pipeline.has_platform:
            remarks.append(
                "the platform stack is skipped: the emulator can't host its resources (RDS, VPC "
                "endpoints, proxy, composite alarms); the stand-ins' PostgreSQL is used instead."
            )
        ignored = [key for key in self.pipeline.ignored_locally() if not key.startswith("platform")]
        if ignored:
            remarks.append(f"settings without effect on the stand-ins: {', '.join(ignored)}.")
        return remarks


def deploy_context(
    context: typer.Context,
    settings: Path | None,
    flags: dict[str, Any],
    overrides: list[str] | None = None,
    *,
    local: bool = False,
) -> DeployContext:
    """Return the target and the settings: flags override the file, the file the defaults.

    Ends the command where nothing runs here and no account is named. Raises ``SettingsError``.
    """
    options: Options = context.obj
    pipeline = pipeline_of(context, settings, flags, overrides)
    stack = pipeline.stack
    region, profile = (pipeline.values.get(name) for name in ("region", "profile"))
    if (region or profile) and not local:
        return DeployContext(Target(stack, region, profile, options.state), pipeline)
    from local.stack import read

    running = read(options.state)
    if running is None:
        raise fail(
            "Nothing runs on this machine. Start the stand-ins with `etl up --bare`, or name an "
            "AWS account: --region and --profile before the command, or in a settings file "
            "(`etl settings init` writes one)."
        )
    return DeployContext(Target(stack, running.region, None, options.state, running), pipeline)


def pipeline_of(
    context: typer.Context,
    settings: Path | None,
    flags: dict[str, Any] | None = None,
    overrides: list[str] | None = None,
) -> PipelineSettings:
    """Return the settings alone. Raises ``SettingsError``."""
    said = {**(flags or {}), **dict(flag_value(one) for one in overrides or ())}
    return PipelineSettings(from_flags(_named(context)).over(_given(settings, said)))


def settings_file() -> Path | None:
    """The settings file of this folder, or of the project that it is in."""
    if SETTINGS_FILE.is_file():
        return SETTINGS_FILE
    project = find_project()
    return None if project is None else project.settings_file


def project_contracts() -> list[Path] | None:
    """Contracts that the settings of the project name; ``None`` outside a project.

    Raises ``SettingsError``.
    """
    project = find_project()
    if project is None:
        return None
    named = read_file(project.settings_file).values
    one = [named["contract"]] if "contract" in named else None
    return list(named.get("contracts", ())) or one


def project_additions() -> KeptCustomization | None:
    """Settings of the project that add states to the workflow; ``None`` outside a project.

    Raises ``SettingsError``.
    """
    project = find_project()
    if project is None:
        return None
    pipeline = PipelineSettings(read_file(project.settings_file))
    return KeptCustomization(pipeline.values.get("run.customization"), pipeline.own_functions)


def _given(settings: Path | None, flags: dict[str, Any]) -> EnteredSettings:
    path = settings or settings_file()
    if path is None:
        file = EnteredSettings({}, "the settings")
    elif path.is_file():
        file = read_file(path)
    else:
        raise SettingsError(f"There is no settings file {path}: `etl settings init` writes one.")
    return from_flags({k: v for k, v in flags.items() if v is not None}).over(file)


def _named(context: typer.Context) -> dict[str, str]:
    """Return the options before the command that were set there or in ETL_... variables."""
    outer = context.find_root()
    named = {}
    for key, name in (("stack", "stack_name"), ("region", "region"), ("profile", "profile")):
        source = outer.get_parameter_source(name)
        if source is not None and source.name in {"COMMANDLINE", "ENVIRONMENT"}:
            named[key] = str(outer.params[name])
    return named


@contextmanager
def waiting_for_phases(what: str) -> Iterator[Notify]:
    """Show a wait whose phases are lines of their own; yields the function that prints one."""
    with waiting(what) as say:

        def notify(text: str) -> None:
            print_phase(text)
            say(text)

        yield notify


def print_phase(text: str) -> None:
    """Print a line about a phase."""
    notes.print(f"[dim]•[/] {escape(text)}", highlight=False)
