"""Each statement of each policy can apply: its actions act on its resources, its tags exist.

A statement that can't apply denies without a word, in an account alone. The resources of actions are
those of AWS's Service Authorization Reference and the tags those of CloudFormation's resource
schemas, both as cfn-lint brings them. ``make audit`` checks the condition keys of each action.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
import pytest

from etl.deployment.permissions import Part, cloudformation_policy, deployer_policy
from etl.doctor.policy import doctor_policy
from etl.operations.permissions import OPERATORS, operator_policy
from infrastructure.role_settings import RoleSettings
from tests.unit.etl.deployment.schemas import schemas

Statement = dict[str, Any]
REFERENCE = Path(cfnlint.__file__).parent / "data" / "AdditionalSpecs" / "Policies.json"
WHERE = ("plant", "123456789012", "eu-central-1")
PARTS: tuple[Part, ...] = ("core", "platform", "quicksight")
BOUND = RoleSettings(
    permissions_boundary_arn="arn:aws:iam::123456789012:policy/boundary", path="/workloads/"
)
PRINTED = {
    **{who: operator_policy(who, *WHERE) for who in OPERATORS},
    "doctor": doctor_policy(*WHERE),
    "deployer": deployer_policy(*WHERE, role="arn:aws:iam::123456789012:role/cfn"),
    **{part: cloudformation_policy(part, *WHERE) for part in PARTS},
    **{f"{part}-bound": cloudformation_policy(part, *WHERE, BOUND) for part in PARTS[:2]},
}
STATEMENTS = [
    pytest.param(statement, id=f"{name}.{statement['Sid']}")
    for name, policy in PRINTED.items()
    for statement in policy["Statement"]
]
TAG_KEYS = ("aws:ResourceTag/", "aws:RequestTag/")
TAGGED_BY = {"kms": "AWS::KMS::Key"}
"""Resource type whose tags a service's conditions look at. A condition on another service's tags
fails here until its type is added."""


@cache
def reference() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))
    return found


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def formats(action: str) -> list[str] | None:
    """ARN formats of what an action acts on; ``None``: the reference doesn't know the action."""
    service, _, name = action.partition(":")
    known = reference()[service]
    entry = known["Actions"].get(name.lower())
    if entry is None:
        return None
    kinds = entry.get("Resources", [])
    return [one for kind in kinds for one in known["Resources"][kind.lower()]["ARNFormats"]]


def is_of(arn: str, form: str) -> bool:
    """Whether the ARN, whose wildcards stand for anything, has a format of the reference."""
    if form.endswith(":s3:::.*") and "/" in arn:
        return False  # a bucket's ARN, not an object's
    pattern = re.sub(r"\$\{\w+\}", "[^:]*", form)
    return re.fullmatch(pattern, arn) is not None


def objects_in_mind(action: str, forms: list[str]) -> list[str]:
    """The reference writes an object's ARN as a bucket's; the action says which one it is."""
    if action.startswith("s3:") and "Object" in action and "Lock" not in action:
        return [form.replace(":s3:::.*", ":s3:::[^/]+/.*") for form in forms]
    return forms


def acts_on(action: str, arn: str) -> bool:
    forms = formats(action)
    if forms is None:
        return True
    return any(is_of(arn, form) for form in objects_in_mind(action, forms))


def misfits(statement: Statement) -> Iterator[str]:
    """What of a statement can never apply."""
    actions, places = listed(statement["Action"]), listed(statement["Resource"])
    if places == ["*"]:
        return
    for action in actions:
        if not any(acts_on(action, place) for place in places):
            yield f"{action} acts on none of {places}"
    for place in places:
        if not any(acts_on(action, place) for action in actions if formats(action)):
            yield f"no action acts on {place}"


@pytest.mark.parametrize("statement", STATEMENTS)
def test_each_action_acts_on_a_resource_of_its_statement(statement: Statement) -> None:
    assert list(misfits(statement)) == []


def tags_asked_for(node: Any) -> Iterator[tuple[str, str]]:
    """Service and tag of each condition on a resource's tags, at any depth."""
    if isinstance(node, dict):
        for keys in node.get("Condition", {}).values() if "Action" in node else ():
            for key in keys:
                if key.startswith(TAG_KEYS):
                    for action in listed(node["Action"]):
                        yield action.partition(":")[0], key.partition("/")[2]
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from tags_asked_for(value)


def tag_problems(service: str, tag: str, templates: dict[str, Any]) -> Iterator[str]:
    kind = TAGGED_BY[service]
    tagging = schemas()[kind]["tagging"]
    if tag.startswith("aws:cloudformation:"):
        if not tagging["cloudFormationSystemTags"]:
            yield f"CloudFormation adds no tag {tag} to {kind}"
        return
    if not (tagging["taggable"] and tagging["tagOnCreate"]):
        yield f"{kind} has no tags when it is created"
    found = [
        tags["Key"]
        for template in templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == kind
        for tags in resource["Properties"].get("Tags", [])
    ]
    if tag not in found:
        yield f"no {kind} of the templates has a tag {tag}"


def test_a_condition_on_a_tag_is_on_one_that_the_resource_has(templates: dict[str, Any]) -> None:
    asked = set(tags_asked_for([*PRINTED.values(), *templates.values()]))
    assert asked
    problems = [one for each in sorted(asked) for one in tag_problems(*each, templates)]
    assert problems == []


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ("aws:cloudformation:stack-name", "CloudFormation adds no tag"),
        ("somebody", "no AWS::KMS::Key of the templates has a tag"),
    ],
)
def test_a_tag_that_a_key_never_has_is_noticed(
    templates: dict[str, Any], tag: str, problem: str
) -> None:
    (found,) = tag_problems("kms", tag, templates)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:ListRoles", "arn:aws:iam::123456789012:role/plant-*"),
        ("s3:GetObject", "arn:aws:s3:::plant-data"),
        ("s3:ListBucket", "arn:aws:s3:::plant-data/*"),
    ],
)
def test_an_action_that_does_not_act_on_its_resource_is_noticed(action: str, resource: str) -> None:
    assert list(misfits({"Action": [action], "Resource": resource}))
