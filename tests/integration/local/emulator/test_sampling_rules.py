"""A template may have an X-Ray sampling rule, as on AWS: created, changed and deleted."""

from __future__ import annotations

import json
import uuid

import pytest
from botocore.exceptions import WaiterError

FAST = {"Delay": 1, "MaxAttempts": 30}


def body(name: str, rate: float) -> str:
    rule = {
        "RuleName": name, "Priority": 1000, "ReservoirSize": 0, "FixedRate": rate,
        "ResourceARN": "*", "ServiceType": "AWS::StepFunctions::StateMachine",
        "ServiceName": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*", "Version": 1,
    }  # fmt: skip
    rules = {"Rule": {"Type": "AWS::XRay::SamplingRule", "Properties": {"SamplingRule": rule}}}
    return json.dumps({"Resources": rules, "Outputs": {"Arn": {"Value": {"Ref": "Rule"}}}})


def test_a_rule_is_created_changed_and_deleted(emulator):
    stack = f"rules-{uuid.uuid4().hex[:8]}"
    formation = emulator.client("cloudformation")
    formation.create_stack(StackName=stack, TemplateBody=body(stack, 0.05))
    formation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=FAST)
    (found,) = formation.describe_stacks(StackName=stack)["Stacks"]
    assert found["Outputs"][0]["OutputValue"].endswith(f":sampling-rule/{stack}")
    formation.update_stack(StackName=stack, TemplateBody=body(stack, 0.2))
    formation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig=FAST)
    formation.delete_stack(StackName=stack)
    formation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=FAST)


def test_a_name_is_as_long_as_x_ray_takes(emulator):
    stack = f"rules-{uuid.uuid4().hex[:8]}"
    formation = emulator.client("cloudformation")
    formation.create_stack(StackName=stack, TemplateBody=body("r" * 33, 0.05))
    with pytest.raises(WaiterError):
        formation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=FAST)
    formation.delete_stack(StackName=stack)
