"""What a destruction takes and what it leaves, before it happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from etl.aws.cloudformation import (
    deployed_template,
    outputs,
    parameters,
    stack_resources,
    stack_status,
)
from etl.aws.target import Target
from etl.deployment.destroy import objects_held, retains_bucket, what_is_held
from etl.deployment.pipeline_settings import platform_stack
from etl.deployment.stack_build import artifact_bucket_name
from etl.deployment.steps import Situation, Step, destruction_steps

__all__ = ["Farewell", "farewell"]

PROTECTED = (
    "The platform's database is protected, so nothing was deleted. Set "
    "platform.deletion_protection = false and `etl deploy`, then destroy; a last snapshot is "
    "taken even so."
)
RETAINED = {
    "AWS::S3::Bucket": "bucket {}, with every object in it",
    "AWS::KMS::Key": "key {}, which that is encrypted with",
}


@dataclass(frozen=True, kw_only=True)
class Farewell:
    """What goes, what stays, and what stands in the way; each a sentence or less."""

    stack: str
    status: str | None
    """``None`` where there is no such stack."""
    steps: list[Step] = field(default_factory=list)
    goes: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    """What would be lost, though nobody said that it may be."""
    protected: str = ""
    """What AWS would refuse to delete, and how to let it; empty where nothing is."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def farewell(target: Target, *, with_data: bool) -> Farewell:
    """Look at the stacks; changes nothing."""
    formation = target.client("cloudformation")
    now = _situation(target)
    if now.core_status is None and now.platform_status is None:
        return Farewell(stack=target.stack, status=None)
    platform_values = parameters(formation, now.platform) if now.platform_status else {}
    holds_database = platform_values.get("Database") == "new"
    with_platform = with_data or not holds_database
    found = outputs(formation, target.stack)
    held = list(what_is_held(found, target.client("sqs"), target.client("iot")))
    if "DataBucketName" in found and not with_data and not retains_bucket(formation, target.stack):
        held += objects_held(target.client("s3"), found["DataBucketName"])
    goes, stays = _of_core(target, found, with_data=with_data)
    if now.platform_status:
        _of_platform(now, goes, stays, with_platform=with_platform, database=holds_database)
    return Farewell(
        stack=target.stack,
        status=now.core_status,
        steps=destruction_steps(now, with_platform=with_platform),
        goes=[*goes, *(held if with_data else [])],
        stays=stays,
        blocked=[] if with_data else held,
        protected=PROTECTED if with_platform and _is_protected(platform_values) else "",
    )


def _is_protected(platform: dict[str, str]) -> bool:
    return platform.get("Database") == "new" and platform.get("DeletionProtection") == "true"


def _situation(target: Target) -> Situation:
    formation = target.client("cloudformation")
    name = platform_stack(target.stack)
    status = stack_status(formation, name)
    return Situation(
        core=target.stack,
        core_status=stack_status(formation, target.stack),
        platform=name,
        platform_status=status,
        joined=bool(status and parameters(formation, name).get("CoreStack")),
    )


def _of_core(
    target: Target, found: dict[str, str], *, with_data: bool
) -> tuple[list[str], list[str]]:
    formation = target.client("cloudformation")
    if stack_status(formation, target.stack) is None:
        return [], []
    retained = dict(_retained(formation, target.stack))
    stays = [] if with_data else list(retained.values())
    goes = [f"stack {target.stack}: {_resources(formation, target.stack) - len(stays)} resources"]
    if "DataBucketName" in found and (with_data or not retained):
        goes.append(f"bucket {found['DataBucketName']}, with every object in it")
    account = target.client("sts").get_caller_identity()["Account"]
    artifacts = artifact_bucket_name(target.stack, account, target.session.region_name)
    (goes if with_data else stays).append(f"bucket {artifacts}, with the zips of all deployments")
    values = parameters(formation, target.stack)
    if values.get("DatabaseName"):
        stays.append(
            f"PostgreSQL: database {values['DatabaseName']} at {values.get('DatabaseHost', '?')}, "
            "its tables and roles"
        )
    return goes, stays


def _of_platform(
    now: Situation, goes: list[str], stays: list[str], *, with_platform: bool, database: bool
) -> None:
    if with_platform:
        kept = ", and the database in it; a last snapshot is taken" if database else ""
        goes.append(f"stack {now.platform}{kept}")
    else:
        stays.append(f"stack {now.platform}, as the database is in it")


def _resources(formation: Any, stack: str) -> int:
    found = stack_resources(formation, stack)
    return sum(each["ResourceStatus"] != "DELETE_COMPLETE" for each in found)


def _retained(formation: Any, stack: str) -> Iterator[tuple[str, str]]:
    """Resources that outlive the stack, by logical id, each in a few words."""
    template = deployed_template(formation, stack)
    names = {
        each["LogicalResourceId"]: each.get("PhysicalResourceId", "")
        for each in stack_resources(formation, stack)
    }
    for name, resource in template["Resources"].items():
        if resource.get("DeletionPolicy") == "Retain" and names.get(name):
            text = RETAINED.get(resource["Type"], f"{resource['Type']} {{}}")
            yield name, text.format(names[name])
