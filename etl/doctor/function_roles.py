"""Checks the roles of the deployed functions: each may do its work, and not that of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from etl.aws.cloudformation import stack_resources
from etl.doctor.check_result import CheckResult, failed, passed
from etl.doctor.examination import Examination
from etl.doctor.simulation import SimulatedRequest, denials

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
    target = examination.target
    iam, summaries = (
        target.client("iam"),
        stack_resources(target.client("cloudformation"), target.stack),
    )
    names = {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in summaries}
    partition = target.outputs["StateMachineArn"].split(":")[1]
    bucket = f"arn:{partition}:s3:::{target.bucket}"
    places = {"*": "*", "": bucket, OWNER_SECRET: target.parameters["OwnerSecretArn"]}
    useless: list[str] = []
    open_doors: list[str] = []
    count = 0
    for function, calls in ROLES.items():
        role = iam.get_role(RoleName=names[f"{function.title()}Role"])["Role"]["Arn"]
        action, key = calls.allowed
        request = SimulatedRequest(actions=(action,), resource=f"{bucket}/{key}")
        if list(denials(iam, role, [request])):
            useless.append(f"{function}: {action} on {key}")
        for action, where in (*calls.refused, *FOR_ALL):
            resource = places.get(where, f"{bucket}/{where}")
            request = SimulatedRequest(actions=(action,), resource=resource)
            count += 1
            if not list(denials(iam, role, [request])):
                open_doors.append(f"{function}: {action} on {where or 'the data bucket'}")
    yield _result(
        f"{NAME}: refused",
        open_doors,
        "allowed, and must not be",
        f"{count} calls that no function needs are refused",
    )
    yield _result(
        f"{NAME}: allowed",
        useless,
        "not allowed, and needed",
        f"each of {len(ROLES)} functions may do its work",
    )


def _result(name: str, wrong: list[str], fault: str, finding: str) -> CheckResult:
    if not wrong:
        return passed(name, finding)
    return failed(
        name,
        f"{fault}: {', '.join(wrong)}",
        "someone changed a role or a policy by hand: `etl deploy` does not see that, so undo it, "
        "or delete the role's extra policies",
    )
