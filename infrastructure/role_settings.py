"""Settings of every IAM role that the stacks create, and how the templates get them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infrastructure.setting_fields import setting

if TYPE_CHECKING:
    from troposphere import Template

__all__ = ["RoleSettings", "limit_roles"]

ROOT_PATH = "/"
"""Path of a role that names none."""
PATH_CHARACTERS = 512
"""https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html, read 2026-11."""


@dataclass(frozen=True, kw_only=True)
class RoleSettings:
    """Rules of an organisation for the roles in its accounts."""

    permissions_boundary_arn: str = setting(
        "",
        "Managed policy that every role of the stacks gets as its permissions boundary: a role "
        "may do no more than this policy allows. Empty: none.",
        key="iam.permissions_boundary_arn",
        pattern=r"^arn:[^:]+:iam::(\d{12}|aws):policy/[\w+=,.@/-]+$",
        example="arn:aws:iam::123456789012:policy/workload-boundary",
    )
    path: str = setting(
        ROOT_PATH,
        "Path of every role of the stacks, which begins and ends with a slash. CloudFormation "
        "replaces the roles when it changes.",
        key="iam.role_path",
        pattern=r"^/([\w+=,.@-]+/)*$",
        most=PATH_CHARACTERS,
    )


def limit_roles(template: Template, settings: RoleSettings) -> None:
    """Give every role of a complete template the boundary and the path.

    The defaults leave the template as it is.
    """
    from troposphere.iam import Role  # here: every command reads the settings, few build a template

    for resource in template.resources.values():
        if not isinstance(resource, Role):
            continue
        if settings.permissions_boundary_arn:
            resource.PermissionsBoundary = settings.permissions_boundary_arn
        if settings.path != ROOT_PATH:
            resource.Path = settings.path
