"""Checks that the caller may make the calls of a deployment and of each command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from etl.deployment.permissions import deployer_policy
from etl.doctor.check_result import CheckResult, failed, not_checked, passed
from etl.doctor.examination import Examination
from etl.doctor.simulation import Denial, NoPrincipalError, denials, principal_of, requests_of
from etl.operations.permissions import OPERATORS, Operator, statements_of

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

__all__ = ["check_permissions"]

NAMED_ACTIONS = 6
"""Denied actions that a line names; it counts the others."""
OPERATOR_COMMANDS: dict[Operator, str] = {
    "reader": "status, executions, logs, trace, metrics, reconcile, rejects, and others that read",
    "repairer": "run, replay, backfill, sweep, quarantine, dlq, rollups, alarms test",
    "eraser": "devices forget, devices erasures",
    "publisher": "publish, simulate",
}
OPTIONAL = frozenset({"OtherPipelines"})
"""Statements of the deployer's policy that a deployment can do without."""


def check_permissions(examination: Examination) -> Iterator[CheckResult]:
    """Simulate every call of `etl deploy`, `destroy` and `plan`, then those of the other commands.

    A denied call of a command is a failure as well: whoever only deploys can disregard it.
    """
    if examination.local:
        yield not_checked("permissions", "the emulator lets every caller do everything")
        return
    iam = examination.target.client("iam")
    try:
        principal = principal_of(iam, examination.caller)
    except NoPrincipalError as error:
        yield not_checked("permissions", str(error))
        return
    yield from _of_deployment(examination, iam, principal)
    yield from _of_commands(examination, iam, principal)


def _of_deployment(
    examination: Examination, iam: IAMClient, principal: str
) -> Iterator[CheckResult]:
    stack, account, region = examination.target.stack, examination.account, examination.region
    role = examination.settings[0].execution_role_arn
    policy = deployer_policy(stack, account, region, role)
    needed = [one for one in policy["Statement"] if one["Sid"] not in OPTIONAL]
    yield _result(
        "permissions: deploy, plan, destroy",
        list(denials(iam, principal, requests_of(needed))),
        f"attach the policy of `etl settings policy deployer --account {account}`",
    )
    if not role:
        yield not_checked(
            "permissions: resources",
            "without execution_role_arn CloudFormation creates the resources by your own "
            "permissions, which are too many to simulate",
            "set execution_role_arn: docs/deploy.md#permissions",
        )


def _of_commands(examination: Examination, iam: IAMClient, principal: str) -> Iterator[CheckResult]:
    stack, account = examination.target.stack, examination.account
    for who, permissions in OPERATORS.items():
        statements = statements_of(permissions, stack, account, examination.region)
        yield _result(
            f"permissions: {who}",
            list(denials(iam, principal, requests_of(statements))),
            f"attach the policy of `etl settings policy {who} --account {account}` to whoever is "
            f"to run its commands: {OPERATOR_COMMANDS[who]}",
        )


def _result(name: str, found: list[Denial], remedy: str) -> CheckResult:
    if not found:
        return passed(name, "every call is allowed, by IAM's simulation")
    names = list(dict.fromkeys(f"{one.action} on {one.resource}" for one in found))
    shown = ", ".join(names[:NAMED_ACTIONS])
    more = f", and {len(names) - NAMED_ACTIONS} more" if len(names) > NAMED_ACTIONS else ""
    explicit = any(one.decision == "explicitDeny" for one in found)
    because = " (a policy denies some explicitly: your organisation's, or a boundary)"
    return failed(name, f"not allowed: {shown}{more}{because if explicit else ''}", remedy)
