"""What a deployment would do: everything is built and decided here, nothing is sent anywhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from etl.deployment.packaging import Packages, build_packages
from infrastructure.core import build_template, template_json
from infrastructure.settings import DeploySettings
from layers.build import BUILD_FOLDER, Progress
from telemetry.contract import load_contract
from workflow.definition import definition_json
from workflow.limits import CHANGE_SET_BODY

__all__ = ["DeploymentPlan", "artifact_bucket_name", "plan_deployment"]

BUCKET_NAME_CHARACTERS = 63
HASH_CHARACTERS = 6


@dataclass(frozen=True, kw_only=True)
class DeploymentPlan:
    """One deployment, ready to be carried out."""

    stack: str
    template: str
    parameters: dict[str, str]
    tags: dict[str, str]
    artifact_bucket: str
    packages: Packages
    role: str = ""
    """Role that CloudFormation acts by; empty: the caller's."""

    @property
    def template_key(self) -> str:
        """Key of the template in the artifact bucket, where it is too large for a request."""
        return f"templates/{hashlib.sha256(self.template.encode()).hexdigest()[:16]}.json"

    @property
    def template_fits_request(self) -> bool:
        """The template can be sent with the request itself."""
        return len(self.template.encode()) <= CHANGE_SET_BODY.most

    def missing(self, present: set[str]) -> dict[str, Path]:
        """Uploads (key to file) that the artifact bucket lacks; a key names its content."""
        return {k: path for k, path in sorted(self.packages.uploads.items()) if k not in present}


def artifact_bucket_name(stack: str, account: str, region: str) -> str:
    """One bucket for a stack; a hash tells stacks apart whose names are cut for S3."""
    tail = f"-artifacts-{account}-{region}"
    room = BUCKET_NAME_CHARACTERS - len(tail)
    name = stack.lower()
    if len(name) > room:
        digest = hashlib.sha256(stack.encode()).hexdigest()[:HASH_CHARACTERS]
        name = f"{name[: room - HASH_CHARACTERS - 1].rstrip('-')}-{digest}"
    return name + tail


def plan_deployment(
    settings: DeploySettings,
    *,
    account: str,
    region: str,
    folder: Path = BUILD_FOLDER,
    progress: Progress | None = None,
) -> DeploymentPlan:
    """Build what is needed and decide the rest.

    Raises ``ContractError``, ``LayerBuildError``, ``PackageError`` or ``DefinitionError``.
    """
    contract = load_contract(settings.contract)
    packages = build_packages(
        settings.contract,
        settings.target,
        ca_file=settings.database.ca_file,
        folder=folder,
        progress=progress,
    )
    bucket = artifact_bucket_name(settings.stack, account, region)
    definition = definition_json(settings.definition)
    template = build_template(contract, packages.artifacts, settings, definition)
    return DeploymentPlan(
        stack=settings.stack,
        template=template_json(template),
        parameters=settings.parameters(bucket),
        tags={"Pipeline": contract.name, **settings.tags},
        artifact_bucket=bucket,
        packages=packages,
        role=settings.execution_role_arn,
    )
