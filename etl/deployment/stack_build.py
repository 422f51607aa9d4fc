"""Builds what a deployment applies: zips, templates and parameters of both stacks.

Everything is built and decided here; nothing is sent anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.deployment.artifact_bucket import artifact_bucket_name
from etl.deployment.customization import deployed_definition
from etl.deployment.packaging import Packages, build_packages
from etl.deployment.pipeline_contracts import read_contracts
from infrastructure.core.build import build_template, template_json
from infrastructure.platform.build import build_platform_template
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DeploySettings
from layers.build import BUILD_FOLDER
from layers.notify import Notify, silent
from workflow.limits import CHANGE_SET_BODY

__all__ = ["DeploymentBuild", "PlatformBuild", "StackBuild", "build_core", "build_platform"]


@dataclass(frozen=True, kw_only=True)
class StackBuild:
    """One stack, ready to be applied."""

    stack: str
    template: str
    parameters: dict[str, str]
    tags: dict[str, str]
    artifact_bucket: str
    packages: Packages
    role: str = ""
    """ARN of the role that CloudFormation assumes; empty: it uses the caller's permissions."""

    @property
    def template_key(self) -> str:
        """Key of the template in the artifact bucket, where it is too large for a request."""
        return f"templates/{hashlib.sha256(self.template.encode()).hexdigest()[:16]}.json"

    @property
    def template_fits_request(self) -> bool:
        """True where the template can be sent with the request itself."""
        return len(self.template.encode()) <= CHANGE_SET_BODY.most

    def missing(self, present: set[str]) -> dict[str, Path]:
        """Return the uploads (key to file) that the artifact bucket lacks."""
        return {k: path for k, path in sorted(self.packages.uploads.items()) if k not in present}


@dataclass(frozen=True, kw_only=True)
class PlatformBuild:
    """The platform stack and the settings that it was built from."""

    settings: PlatformSettings
    stack: StackBuild


@dataclass(frozen=True, kw_only=True)
class DeploymentBuild:
    """The two stacks of one deployment; ``platform`` is ``None`` where there is none."""

    settings: DeploySettings
    core: StackBuild
    platform: PlatformBuild | None

    @property
    def must_relink(self) -> bool:
        """True where the core gets alarms that the platform's composite alarms don't name yet."""
        return (
            self.platform is not None
            and self.platform.settings.observability != self.settings.observability
        )


def build_core(
    settings: DeploySettings,
    *,
    account: str,
    region: str,
    folder: Path = BUILD_FOLDER,
    notify: Notify = silent,
) -> StackBuild:
    """Build the core stack: functions, layers and template.

    Raises ``ContractError``, ``LayerBuildError``, ``PackageError``, ``DefinitionError`` or
    ``CustomizationError``.
    """
    contracts = read_contracts(settings.contracts)
    packages = build_packages(
        settings.contracts,
        settings.target,
        ca_file=settings.database.ca_file,
        functions=settings.functions,
        folder=folder,
        notify=notify,
    )
    bucket = artifact_bucket_name(settings.stack, account, region)
    definition = deployed_definition(settings, account=account, region=region)
    template = build_template(contracts, packages.artifacts, settings, definition)
    return StackBuild(
        stack=settings.stack,
        template=template_json(template),
        parameters=settings.parameters(bucket),
        tags={"Pipeline": contracts.first.name, **settings.tags},
        artifact_bucket=bucket,
        packages=packages,
        role=settings.execution_role_arn,
    )


def build_platform(
    core: StackBuild, settings: PlatformSettings, contracts: Sequence[Path], region: str
) -> PlatformBuild:
    """Build the platform stack; its large template is put into the core's artifact bucket."""
    template = build_platform_template(read_contracts(contracts), settings, region)
    stack = StackBuild(
        stack=settings.stack,
        template=template_json(template),
        parameters=settings.parameters(),
        tags={**core.tags, **settings.tags},
        artifact_bucket=core.artifact_bucket,
        packages=Packages(functions={}, layers={}),
        role=core.role,
    )
    return PlatformBuild(settings=settings, stack=stack)
