"""Checks the roles of the deployed functions: each may do its work, and not that of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.aws.cloudformation import stack_resources
from etl.doctor.check_result import CheckResult, failed, passed
from etl.doctor.examination import Examination
from etl.doctor.simulation import SimulatedRequest, denials

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

__all__ = ["check_roles"]

NAME = "functions' roles"
OWNER_SECRET = "the owner's secret"  # noqa: S105 - a name for what a parameter holds


@dataclass(frozen=True)
class RoleCalls:
    """One call that a function's role must allow, and calls that it must refuse."""

    allowed: tuple[str, str]
    refused: tuple[tuple[str, str], ...]
    """Actions, each with a key in the data bucket, ``*``, or :data:`OWNER_SECRET`."""


ROLES: dict[str, RoleCalls] = {
    "extract": RoleCalls(
        ("s3:PutObject", "raw/a"), (("s3:GetObject", "clean/a"), ("s3:DeleteObject", "raw/a"))
    ),
    "stage": RoleCalls(
        ("s3:PutObject", "raw/a"), (("s3:GetObject", "raw/a"), ("s3:DeleteObject", "raw/a"))
    ),
    "transform": RoleCalls(
        ("s3:GetObject", "raw/a"), (("s3:PutObject", "raw/a"), ("s3:DeleteObject", "raw/a"))
    ),
    "validate": RoleCalls(
        ("s3:GetObject", "reports/a"), (("s3:GetObject", "raw/a"), ("s3:PutObject", "outcomes/a"))
    ),
    "load": RoleCalls(
        ("s3:GetObject", "copy/a"), (("s3:GetObject", "raw/a"), ("s3:DeleteObject", "copy/a"))
    ),
    "summarize": RoleCalls(
        ("s3:GetObject", "manifests/a"), (("s3:PutObject", "outcomes/a"), ("s3:GetObject", "raw/a"))
    ),
    "sweep": RoleCalls(
        ("s3:PutObject", "manifests/a"), (("s3:GetObject", "raw/a"), ("s3:DeleteObject", "raw/a"))
    ),
}
FOR_ALL = (
    ("iam:PassRole", "*"),
    ("s3:PutBucketPolicy", ""),
    ("secretsmanager:GetSecretValue", OWNER_SECRET),
)
"""Calls that no function may make; the owner's secret is for Migrate alone, which is not here."""


def check_roles(examination: Examination) -> Iterator[CheckResult]:
    """Simulate for each function's role a call that it needs, and those that it must refuse.

    Without the first, a role that lost its policies would pass for a careful one.
    """
    useless: list[str] = []
    open_doors: list[str] = []
    count = 0
    bucket, roles, places = _resources(examination)
    iam = examination.target.client("iam")
    for function, calls in ROLES.items():
        role = iam.get_role(RoleName=roles[f"{function.title()}Role"])["Role"]["Arn"]
        action, key = calls.allowed
        if not _allows(iam, role, action, f"{bucket}/{key}"):
            useless.append(f"{function}: {action} on {key}")
        for action, where in (*calls.refused, *FOR_ALL):
            count += 1
            if _allows(iam, role, action, places.get(where, f"{bucket}/{where}")):
                open_doors.append(f"{function}: {action} on {where or 'the data bucket'}")
    refused = f"{count} calls that no function needs are refused"
    yield _result(f"{NAME}: refused", open_doors, "allowed, and must not be", refused)
    able = f"each of {len(ROLES)} functions may do its work"
    yield _result(f"{NAME}: allowed", useless, "not allowed, and needed", able)


def _resources(examination: Examination) -> tuple[str, dict[str, str], dict[str, str]]:
    """ARN of the data bucket, the roles' names by logical id, and what the names of places mean."""
    target = examination.target
    summaries = stack_resources(target.client("cloudformation"), target.stack)
    names = {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in summaries}
    partition = target.outputs["StateMachineArn"].split(":")[1]
    bucket = f"arn:{partition}:s3:::{target.bucket}"
    places = {"*": "*", "": bucket, OWNER_SECRET: target.parameters["OwnerSecretArn"]}
    return bucket, names, places


def _allows(iam: IAMClient, role: str, action: str, resource: str) -> bool:
    request = SimulatedRequest(actions=(action,), resource=resource)
    return not any(True for _ in denials(iam, role, [request]))


def _result(name: str, wrong: list[str], fault: str, finding: str) -> CheckResult:
    if not wrong:
        return passed(name, finding)
    return failed(
        name,
        f"{fault}: {', '.join(wrong)}",
        "someone changed a role or a policy by hand: `etl deploy` does not see that, so undo it, "
        "or delete the role's extra policies",
    )
