"""A check of every policy with parliament, which knows IAM from AWS's pages as policy_sentry does,
but reads whole policies: their grammar, and which conditions and resources fit which actions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.check_result import CheckResult

__all__ = ["ACCEPTED", "OF_ANOTHER_KIND", "Accepted", "check_with_parliament"]

OF_ANOTHER_KIND = {
    "AssumeRolePolicyDocument": "a trust policy has no resources",
    "AWS::IoT::Policy": "IoT Core has a policy language of its own",
}
"""Policies that parliament does not read, by property or by type of the resource, and why."""
UNREADABLE = "UNREADABLE"
"""Name of the finding that parliament can't read a policy."""


@dataclass(frozen=True)
class Accepted:
    """A finding that is none."""

    issue: str
    about: str
    """Part of what parliament says of it: an action, or a condition key."""
    reason: str
    policies: str = ""
    """Beginning of the names of the policies that it is accepted in."""

    def accepts(self, policy: str, issue: str, detail: str) -> bool:
        """True if this is the finding."""
        return self.issue == issue and self.about in detail and policy.startswith(self.policies)


NO_COVER = "One of its kinds of resource is not used here, and parliament wants all of them."
ACCEPTED: tuple[Accepted, ...] = (
    Accepted("RESOURCE_STAR", "", "The check of the IAM reference says which can be narrowed."),
    Accepted(
        "UNKNOWN_ACTION",
        "",
        "CloudFormation's resource schemas name it as a permission of a handler. It is newer than "
        "parliament's list, or IAM has no action of that name, which is without effect.",
        policies="cloudformation-",
    ),
    Accepted("RESOURCE_MISMATCH", "ec2:CreateNetworkInterface", NO_COVER),
    Accepted("RESOURCE_MISMATCH", "states:DescribeExecution", NO_COVER),
    Accepted("RESOURCE_MISMATCH", "states:ListExecutions", NO_COVER),
    Accepted(
        "UNKNOWN_CONDITION_FOR_ACTION",
        "lambda:SourceFunctionArn",
        "Lambda adds it to every call that a function's code makes.",
    ),
    Accepted(
        "MISMATCHED_TYPE",
        "Arn but given String",
        "The encryption context of a log group holds an ARN; to parliament every context is text.",
    ),
)


def check_with_parliament(policies: list[Path]) -> CheckResult:
    """Checks that parliament finds nothing, but for what is accepted with a reason."""
    problems, used = [], set()
    for file in policies:
        document = json.loads(file.read_text(encoding="utf-8"))
        for issue, detail in findings(document):
            accepted = [one for one in ACCEPTED if one.accepts(file.stem, issue, detail)]
            used.update(accepted)
            if not accepted:
                problems.append(f"{file.stem}: {issue}: {detail}")
    problems += [
        f"{one.issue} of {one.about} is accepted, and found nowhere: remove it."
        for one in ACCEPTED
        if one not in used
    ]
    unread = "; ".join(f"{kind}: {reason}" for kind, reason in OF_ANOTHER_KIND.items())
    return CheckResult("parliament", f"{len(policies)} policies", problems, unread)


def findings(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The findings in one policy: name and detail."""
    from parliament import analyze_policy_string

    try:
        found = analyze_policy_string(json.dumps(document)).findings
    except Exception as error:  # it has bugs of its own, and a policy that it can't read is one
        yield UNREADABLE, f"{type(error).__name__}: {error}"
        return
    for finding in found:
        yield finding.issue, f"{finding.detail} {finding.location.get('string', '')}".strip()
