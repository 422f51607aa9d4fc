"""Writes what a deployment applies into a folder, for tools other than `etl deploy`.

The templates are those of :mod:`etl.deployment.stack_build`, byte for byte. Parameters are files of
the form that CodePipeline and ``aws cloudformation deploy --parameter-overrides`` read:
``{"Parameters": {...}, "Tags": {...}}``. Zips and contract lie in the folder as they will lie in
their buckets. ``README.md`` says in which order all of it is applied.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

from etl.aws.contract_objects import contract_objects
from etl.aws.target import DATABASE_CA_KEY
from etl.deployment.deploy import FROM_PLATFORM
from etl.deployment.stack_build import DeploymentBuild, StackBuild, build_core, build_platform
from infrastructure.platform.settings import PlatformSettings
from infrastructure.platform.stack_links import given_core
from infrastructure.settings import DeploySettings
from layers.build import BUILD_FOLDER
from layers.notify import Notify, silent
from telemetry.errors import UserError
from workflow.own_states import CustomizationError

__all__ = ["ARTIFACTS", "DATA", "ExportError", "build_export", "export_templates", "links"]

ARTIFACTS = "artifacts"
"""Folder of the zips; the rest of each path is the key in the artifact bucket."""
DATA = "data"
"""Folder of the contract; the rest of each path is the key in the data bucket."""
README = Path(__file__).with_name("template_export.md")
PLATFORM_PART = "<!-- with a platform -->\n"
ANY_ACCOUNT = "000000000000"
"""An account appears in nothing that is exported."""


class ExportError(UserError):
    """Raised where the folder can't be written to."""


@dataclass(frozen=True, kw_only=True)
class Links:
    """Parameters of each stack that are outputs of the other."""

    core: list[str]
    """Parameters of the core, each with the name of the platform's output."""
    platform: dict[str, str]
    """Values of the platform's parameters in its second pass, in words."""


def build_export(
    settings: DeploySettings,
    platform: PlatformSettings | None,
    *,
    region: str,
    bucket: str,
    folder: Path = BUILD_FOLDER,
    notify: Notify = silent,
) -> DeploymentBuild:
    """Build both stacks as a first deployment would, with ``bucket`` as the artifact bucket.

    Raises ``ContractError``, ``LayerBuildError``, ``PackageError``, ``DefinitionError`` or
    ``CustomizationError``.
    """
    names = [name for name, arn in settings.own_functions.items() if not arn.startswith("arn:")]
    if settings.customization is not None and names:
        raise CustomizationError(
            f"own_functions.{names[0]}: write the ARN of the function instead of its name, as an "
            "exported template doesn't know the account."
        )
    if platform is not None:
        placeholders = replace(
            settings.database, host=FROM_PLATFORM, owner_secret_arn=FROM_PLATFORM
        )
        settings = replace(settings, database=placeholders)
    built = build_core(settings, account=ANY_ACCOUNT, region=region, folder=folder, notify=notify)
    core = replace(built, artifact_bucket=bucket, parameters=settings.parameters(bucket))
    second = build_platform(core, platform, settings.contracts, region) if platform else None
    return DeploymentBuild(settings=settings, core=core, platform=second)


def export_templates(build: DeploymentBuild, folder: Path) -> list[Path]:
    """Write templates, parameters, zips and the order of steps; return the files, in order.

    Raises :class:`ExportError` where the folder isn't empty: a file in it might be of another
    export, and be deployed with this one.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder} is not an empty folder: name another, or empty it.")
    folder.mkdir(parents=True, exist_ok=True)
    _write_stack(folder, "core", build.core)
    if build.platform is not None:
        _write_stack(folder, "platform", build.platform.stack)
    for key, path in build.core.packages.uploads.items():
        _copy(path, folder / ARTIFACTS / key)
    for key, content in contract_objects(build.settings.contracts).items():
        _write(folder / DATA / key, content)
    if build.settings.database.ca_file is not None:
        _copy(build.settings.database.ca_file, folder / DATA / DATABASE_CA_KEY)
    (folder / "README.md").write_text(_readme(build), encoding="utf-8")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def links(build: DeploymentBuild) -> Links:
    """Return what each stack is given of the other. Empty where there is no platform."""
    if build.platform is None:
        return Links(core=[], platform={})
    settings, stack = build.platform.settings, build.core.stack
    known = json.loads(build.platform.stack.template)["Outputs"].keys()
    outputs = _InWords()
    outputs["Observability"] = "the core's output `Observability`"
    outputs["QueueArn"] = ":the last part of the core's output `QueueArn`"
    before, after = settings.parameters(), given_core(settings, stack, outputs).parameters()
    return Links(
        core=sorted(known & json.loads(build.core.template)["Parameters"].keys()),
        platform={name: value for name, value in after.items() if before[name] != value},
    )


class _InWords(defaultdict[str, str]):
    """Outputs of the core that aren't known yet, each described."""

    def __missing__(self, name: str) -> str:
        return f"the core's output `{name}`"


def _write_stack(folder: Path, name: str, build: StackBuild) -> None:
    (folder / f"{name}.json").write_text(build.template, encoding="utf-8")
    parameters = {k: v for k, v in build.parameters.items() if v != FROM_PLATFORM}
    given = {"Parameters": parameters, "Tags": build.tags}
    text = json.dumps(given, indent=2, sort_keys=True) + "\n"
    (folder / f"{name}.parameters.json").write_text(text, encoding="utf-8")


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _readme(build: DeploymentBuild) -> str:
    """Return the order of steps for these stacks."""
    core, platform = build.core, build.platform
    text, _, with_platform = README.read_text(encoding="utf-8").partition(PLATFORM_PART)
    if platform is not None:
        text += with_platform
    given = links(build)
    return Template(text).substitute(
        bucket=core.artifact_bucket,
        contracts="contracts, by their keys"
        if build.settings.further_contracts
        else "contract, by its key",
        stack=core.stack,
        platform="" if platform is None else platform.stack.stack,
        tags=" ".join(f"'{name}={value}'" for name, value in sorted(core.tags.items())),
        to_core=", ".join(f"`{name}`" for name in given.core),
        to_platform="\n".join(f"| `{k}` | {v} |" for k, v in given.platform.items()),
    )
