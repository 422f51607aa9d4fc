"""Plans the teardown of a pipeline: what is deleted, what is kept, and what prevents it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from etl.aws.cloudformation import (
    deployed_template,
    outputs,
    parameters,
    stack_resources,
    termination_protected,
)
from etl.aws.s3 import owned_s3
from etl.aws.target import Target
from etl.deployment.artifact_bucket import artifact_bucket_name
from etl.deployment.current_state import CurrentState, read_current_state
from etl.deployment.held_data import held_data, held_objects, retains_bucket
from etl.deployment.steps import Step, teardown_steps

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

__all__ = ["TeardownPlan", "plan_teardown"]

PROTECTED = (
    "The platform's database is protected, so nothing was deleted. Set "
    "platform.deletion_protection = false and `etl deploy`, then destroy. A final snapshot "
    "is taken in any case."
)
LIFT = (
    "aws cloudformation update-termination-protection --no-enable-termination-protection "
    "--stack-name {stack}"
)
RETAINED = {
    "AWS::S3::Bucket": "bucket {}, with every object in it",
    "AWS::KMS::Key": "key {}, which the bucket is encrypted with",
}


@dataclass(frozen=True, kw_only=True)
class TeardownPlan:
    """Effects of a teardown, each in a few words."""

    stack: str
    status: str | None
    """``None`` where there is no such stack."""
    steps: list[Step] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    """Data that would be lost although ``with_data`` was not given."""
    protected: str = ""
    """Explains the database's deletion protection and how to remove it; empty where there is
    none."""
    termination_protected: list[str] = field(default_factory=list)
    """Stacks that CloudFormation refuses to delete until their protection is lifted."""

    @property
    def how_to_lift(self) -> str:
        """Sentence on the stacks' termination protection; empty where none is protected."""
        if not self.termination_protected:
            return ""
        commands = [LIFT.format(stack=stack) for stack in self.termination_protected]
        names = " and ".join(self.termination_protected)
        return (
            f"CloudFormation refuses to delete {names}: termination protection is on. "
            "`etl destroy` lifts it once you confirm that, or with --lift-protection; by hand it "
            "is lifted by\n  " + "\n  ".join(commands)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for ``--json``."""
        return asdict(self)


def plan_teardown(target: Target, *, with_data: bool) -> TeardownPlan:
    """Plan the teardown of both stacks; changes nothing."""
    formation = target.client("cloudformation")
    now = read_current_state(target, platform=True)
    if now.core_status is None and now.platform_status is None:
        return TeardownPlan(stack=target.stack, status=None)
    platform_values = parameters(formation, now.platform) if now.platform_status else {}
    holds_database = platform_values.get("Database") == "new"
    with_platform = with_data or not holds_database
    names = outputs(formation, target.stack)
    held = list(held_data(names, target.client("sqs"), target.client("iot")))
    if "DataBucketName" in names and not with_data and not retains_bucket(formation, target.stack):
        held += held_objects(owned_s3(target), names["DataBucketName"])
    deleted, kept = _core_effects(target, now, names, with_data=with_data)
    if now.platform_status:
        _add_platform(now, deleted, kept, with_platform=with_platform, database=holds_database)
    stacks = [now.core, now.platform] if with_platform else [now.core]
    protected = [stack for stack in stacks if termination_protected(formation, stack)]
    return TeardownPlan(
        stack=target.stack,
        status=now.core_status,
        steps=teardown_steps(now, with_platform=with_platform, protected=protected),
        deleted=[*deleted, *(held if with_data else [])],
        kept=kept,
        blocked=[] if with_data else held,
        protected=PROTECTED if with_platform and _is_protected(platform_values) else "",
        termination_protected=protected,
    )


def _is_protected(platform: dict[str, str]) -> bool:
    return platform.get("Database") == "new" and platform.get("DeletionProtection") == "true"


def _core_effects(
    target: Target, now: CurrentState, names: dict[str, str], *, with_data: bool
) -> tuple[list[str], list[str]]:
    if now.core_status is None:
        return [], []
    formation = target.client("cloudformation")
    retained = dict(_retained(formation, target.stack))
    kept = [] if with_data else list(retained.values())
    resources = _count_resources(formation, target.stack) - len(kept)
    deleted = [f"stack {target.stack}: {resources} resources"]
    if "DataBucketName" in names and (with_data or not retained):
        deleted.append(f"bucket {names['DataBucketName']}, with every object in it")
    account = target.client("sts").get_caller_identity()["Account"]
    artifacts = artifact_bucket_name(target.stack, account, target.session.region_name)
    (deleted if with_data else kept).append(f"bucket {artifacts}, with the zips of all deployments")
    values = parameters(formation, target.stack)
    if values.get("DatabaseName"):
        kept.append(
            f"PostgreSQL: database {values['DatabaseName']} at {values.get('DatabaseHost', '?')}, "
            "its tables and roles"
        )
    return deleted, kept


def _add_platform(
    now: CurrentState, deleted: list[str], kept: list[str], *, with_platform: bool, database: bool
) -> None:
    if with_platform:
        more = ", and the database in it; a final snapshot is taken" if database else ""
        deleted.append(f"stack {now.platform}{more}")
    else:
        kept.append(f"stack {now.platform}, as the database is in it")


def _count_resources(formation: CloudFormationClient, stack: str) -> int:
    resources = stack_resources(formation, stack)
    return sum(each["ResourceStatus"] != "DELETE_COMPLETE" for each in resources)


def _retained(formation: CloudFormationClient, stack: str) -> Iterator[tuple[str, str]]:
    """Yield logical id and description of each resource that is kept when the stack is deleted."""
    template = deployed_template(formation, stack)
    names = {
        each["LogicalResourceId"]: each.get("PhysicalResourceId", "")
        for each in stack_resources(formation, stack)
    }
    for name, resource in template["Resources"].items():
        if resource.get("DeletionPolicy") == "Retain" and names.get(name):
            text = RETAINED.get(resource["Type"], f"{resource['Type']} {{}}")
            yield name, text.format(names[name])
