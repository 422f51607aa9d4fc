"""Termination protection and stack policy: the calls, by botocore's model, and what is refused.

The emulator refuses to delete a protected stack, but only stores a stack policy. So what a policy
refuses is evaluated here, as CloudFormation documents it.
"""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from etl.deployment.protection import (
    PROTECTED_TYPES,
    Protection,
    apply_protection,
    lift_protection,
    refused_changes,
    stack_policy,
)
from etl.deployment.stack_diff import ResourceChange, StackReview

ON = Protection(termination=True, policy=True)
OFF = Protection(termination=False, policy=False)
MOST_POLICY_CHARACTERS = 16_384
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_SetStackPolicy.html"""
CORE_KEEPS = {
    "DataBucket", "TelemetryQueue", "DeadLetterQueue", "RuleErrorQueue", "LoaderSecret",
    "AnalystSecret", "DataKey",
}  # fmt: skip
PLATFORM_KEEPS = {"DatabaseInstance", "PlatformKey"}


def allows(policy: str, action: str, kind: str) -> bool:
    """The decision of a stack policy: what it doesn't allow is denied, and a Deny wins."""
    effects = set()
    for statement in json.loads(policy)["Statement"]:
        kinds = statement.get("Condition", {}).get("StringEquals", {}).get("ResourceType", [kind])
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        if kind in kinds and {"Update:*", action} & set(actions):
            effects.add(statement["Effect"])
    return effects == {"Allow"}


def protected_by_type(template: dict[str, Any]) -> set[str]:
    policy = stack_policy(protects=True)
    return {
        name
        for name, resource in template["Resources"].items()
        if not allows(policy, "Update:Delete", resource["Type"])
    }


def test_exactly_what_holds_data_is_protected(templates: dict[str, dict[str, Any]]) -> None:
    assert protected_by_type(templates["core"]) == CORE_KEEPS
    assert protected_by_type(templates["platform"]) == PLATFORM_KEEPS


@pytest.mark.parametrize("kind", PROTECTED_TYPES)
def test_the_policy_refuses_replacement_and_deletion_and_no_other_change(kind: str) -> None:
    policy = stack_policy(protects=True)
    assert not allows(policy, "Update:Replace", kind)
    assert not allows(policy, "Update:Delete", kind)
    assert allows(policy, "Update:Modify", kind)
    for action in ("Update:Replace", "Update:Delete"):
        assert allows(policy, action, "AWS::Lambda::Function")
        assert allows(stack_policy(protects=False), action, kind)
    assert len(policy) <= MOST_POLICY_CHARACTERS


def described(*, protected: bool) -> dict[str, Any]:
    stack = {
        "StackName": "plant",
        "CreationTime": "2026-11-29T00:00:00Z",
        "StackStatus": "UPDATE_COMPLETE",
        "EnableTerminationProtection": protected,
    }
    return {"Stacks": [stack]}


@pytest.fixture
def stubbed() -> Any:
    client = boto3.client(
        "cloudformation",
        region_name="eu-central-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


NAME = {"StackName": "plant"}


def test_a_stack_is_protected_by_calls_that_botocore_knows(stubbed: Any) -> None:
    client, stub = stubbed
    stub.add_response("get_stack_policy", {}, NAME)
    body = {"StackPolicyBody": stack_policy(protects=True)}
    stub.add_response("set_stack_policy", {}, NAME | body)
    stub.add_response("describe_stacks", described(protected=False), NAME)
    switch = NAME | {"EnableTerminationProtection": True}
    stub.add_response("update_termination_protection", {"StackId": "x"}, switch)
    said: list[str] = []
    apply_protection(client, "plant", ON, said.append)
    assert said == ["stack plant: protected against deletion"]


def test_a_stack_that_is_protected_already_is_left_alone(stubbed: Any) -> None:
    client, stub = stubbed
    # CloudFormation may write the same policy in another way.
    body = json.dumps(json.loads(stack_policy(protects=True)), indent=1)
    stub.add_response("get_stack_policy", {"StackPolicyBody": body}, NAME)
    stub.add_response("describe_stacks", described(protected=True), NAME)
    apply_protection(client, "plant", ON)


def test_a_stack_that_never_was_protected_gets_no_policy(stubbed: Any) -> None:
    client, stub = stubbed
    stub.add_response("get_stack_policy", {}, NAME)
    stub.add_response("describe_stacks", described(protected=False), NAME)
    apply_protection(client, "plant", OFF)


def test_a_protection_is_lifted_by_a_policy_that_allows_everything(stubbed: Any) -> None:
    client, stub = stubbed
    present = {"StackPolicyBody": stack_policy(protects=True)}
    stub.add_response("get_stack_policy", present, NAME)
    body = {"StackPolicyBody": stack_policy(protects=False)}
    stub.add_response("set_stack_policy", {}, NAME | body)
    stub.add_response("describe_stacks", described(protected=True), NAME)
    switch = NAME | {"EnableTerminationProtection": False}
    stub.add_response("update_termination_protection", {"StackId": "x"}, switch)
    lift_protection(client, "plant")


def test_changes_that_the_policy_refuses_are_named() -> None:
    resources = [
        ResourceChange("TelemetryQueue", "AWS::SQS::Queue", "modify", "always"),
        ResourceChange("DataKey", "AWS::KMS::Key", "remove"),
        ResourceChange("DataBucket", "AWS::S3::Bucket", "modify", "never"),
        ResourceChange("DeadLetterQueue", "AWS::SQS::Queue", "modify", "maybe"),
        ResourceChange("LoaderSecret", "AWS::SecretsManager::Secret", "add"),
        ResourceChange("LoadRole", "AWS::IAM::Role", "modify", "always"),
    ]
    review = StackReview(stack="plant", status="UPDATE_COMPLETE", resources=resources)
    assert refused_changes([review]) == ["TelemetryQueue is replaced", "DataKey is deleted"]
