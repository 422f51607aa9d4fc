"""The golden tables stand for the templates, so each value of a template is in its table."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.fixtures.template_table import LEFT_OUT, template_table
from tests.unit.infrastructure.core.test_the_template import ELSEWHERE

PLAIN: dict[str, Any] = {
    "Parameters": {"Days": {"Type": "Number", "Default": 30, "Description": "How long."}},
    "Conditions": {"Mailed": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Mail"}, ""]}]}},
    "Resources": {
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "DeletionPolicy": "Retain",
            "Condition": "Mailed",
            "Properties": {"KmsMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]}, "DelaySeconds": 0},
        },
        "DeadLetters": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"KmsMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]}},
        },
    },
    "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
    "Metadata": {},
}


def marked(value: Any, found: list[str]) -> Any:
    """The value with each text and number replaced by one that is nowhere else."""
    if isinstance(value, dict):
        return {
            name: inner if name in LEFT_OUT else marked(inner, found)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [marked(inner, found) for inner in value]
    found.append(f"<{len(found)}>")
    return found[-1]


def marked_resources(template: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The template with all values of its resources marked, and the marks that must be shown."""
    found: list[str] = []
    changed = deepcopy(template)
    for resource in changed["Resources"].values():
        for member in resource.keys() - {"Type", "Metadata"}:
            inner = resource[member]
            if member != "Properties":
                resource[member] = marked(inner, found)
                continue
            for name in inner.keys() - LEFT_OUT:
                if f"{resource['Type']}.{name}" not in ELSEWHERE:
                    inner[name] = marked(inner[name], found)
    return changed, found


@pytest.mark.parametrize("part", ["core", "platform"])
def test_each_value_of_a_resource_is_shown(templates, part):
    changed, marks = marked_resources(templates[part])
    assert len(marks) > 500
    table = template_table(changed, ELSEWHERE if part == "core" else {})
    assert [mark for mark in marks if mark not in table] == []


def test_what_resources_share_is_said_once_and_the_rest_is_in_their_rows():
    assert template_table(PLAIN, {}).splitlines()[2:] == [
        "## Parameters: Days", "", "- Default: 30", "- Type: Number", "",
        "## Conditions", "", '- Mailed: {Mail} != ""', "",
        "## AWS::SQS::Queue", "", "- KmsMasterKeyId: {Key.Arn}", "",
        "| name | Condition | DelaySeconds | DeletionPolicy |", "| --- | --- | --- | --- |",
        "| DeadLetters |  |  |  |", "| Queue | Mailed | 0 | Retain |", "",
        "## Outputs: Url", "", "- Value: {Queue}",
    ]  # fmt: skip
