"""The deployer's policy and the commands' calls are put to IAM's simulation, one by one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.deployment.permissions import deployer_policy
from etl.doctor.permissions import check_permissions
from etl.doctor.policy import doctor_policy
from etl.doctor.simulation import NoPrincipalError, principal_of, requests_of
from etl.operations.permissions import OPERATORS, operator_policy
from tests.unit.etl.doctor.stubbed import ACCOUNT, REGION, Account, account, with_role

ROLE = {
    "Path": "/people/",
    "RoleName": "deployer",
    "RoleId": "AROAIOSFODNN7EXAMPLE",
    "Arn": f"arn:aws:iam::{ACCOUNT}:role/people/deployer",
    "CreateDate": "2026-11-28T00:00:00Z",
}
EXECUTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/cfn"
WHERE = ("plant", ACCOUNT, REGION)


def asked_of(aws: Account, denied: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Lets IAM's client answer every simulation; returns the requests it gets."""
    asked: list[dict[str, Any]] = []
    iam = aws.stub("iam")
    iam.add_response("get_role", {"Role": ROLE}, {"RoleName": "deployer"})

    def simulate(**request: Any) -> list[dict[str, Any]]:
        asked.append(request)
        return [
            {
                "EvaluationResults": [
                    {
                        "EvalActionName": action,
                        "EvalDecision": "explicitDeny" if action in denied else "allowed",
                    }
                    for action in request["ActionNames"]
                ]
            }
        ]

    class Pages:
        paginate = staticmethod(simulate)

    iam.client.get_paginator = lambda _: Pages()
    return asked


def test_every_call_of_a_deployment_and_of_the_commands_is_simulated() -> None:
    with account() as aws:
        asked = asked_of(aws)
        found = list(
            check_permissions(aws.examination(load_settings=lambda: with_role(EXECUTION_ROLE)))
        )
    assert {result.status for result in found} == {"pass"}
    assert len(found) == 1 + len(OPERATORS)
    assert {request["PolicySourceArn"] for request in asked} == {ROLE["Arn"]}
    simulated = {action for request in asked for action in request["ActionNames"]}
    policy = deployer_policy("plant", ACCOUNT, REGION, EXECUTION_ROLE)["Statement"]
    wanted = {a for one in policy if one["Sid"] != "OtherPipelines" for a in one["Action"]}
    assert wanted <= simulated
    for who in OPERATORS:
        statements = operator_policy(who, *WHERE)["Statement"]
        assert {action for one in statements for action in one["Action"]} <= simulated
    # A deployment passes its role to CloudFormation; whoever enables the schedule, the schedule's.
    passed_on = [one for one in asked if one["ActionNames"] == ["iam:PassRole"]]
    assert [one["ContextEntries"] for one in passed_on] == [
        [
            {
                "ContextKeyName": "iam:PassedToService",
                "ContextKeyValues": [f"{service}.amazonaws.com"],
                "ContextKeyType": "string",
            }
        ]
        for service in ("cloudformation", "scheduler")
    ]


def test_a_denied_call_is_named_with_its_resource() -> None:
    with account() as aws:
        asked_of(aws, denied=frozenset({"s3:CreateBucket", "sqs:StartMessageMoveTask"}))
        found = {
            one.name: one
            for one in check_permissions(
                aws.examination(load_settings=lambda: with_role(EXECUTION_ROLE))
            )
        }
    deploy = found["permissions: deploy, plan, destroy"]
    assert deploy.status == "fail"
    assert "s3:CreateBucket on arn:aws:s3:::plant" in deploy.finding
    assert "explicitly" in deploy.finding
    assert "etl settings policy deployer" in deploy.remedy
    assert found["permissions: repairer"].status == "fail"
    assert "etl settings policy repairer" in found["permissions: repairer"].remedy
    assert found["permissions: reader"].status == "pass"


def test_without_an_execution_role_the_resources_are_not_checked() -> None:
    with account() as aws:
        asked_of(aws)
        found = list(check_permissions(aws.examination()))
    [line] = [one for one in found if one.status == "not checked"]
    assert line.name == "permissions: resources"


def test_the_root_user_and_federated_users_can_not_be_simulated() -> None:
    with account() as aws:
        iam = aws.stub("iam").client
        for caller in (f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:sts::{ACCOUNT}:federated-user/x"):
            with pytest.raises(NoPrincipalError):
                principal_of(iam, caller)
        user = f"arn:aws:iam::{ACCOUNT}:user/people/jane"
        assert principal_of(iam, user) == user


def test_no_simulated_resource_is_a_pattern() -> None:
    statements = [
        *deployer_policy("plant", ACCOUNT, REGION, EXECUTION_ROLE)["Statement"],
        *(one for who in OPERATORS for one in operator_policy(who, *WHERE)["Statement"]),
    ]
    for request in requests_of(statements):
        assert request.resource == "*" or "*" not in request.resource
        assert "*" not in "".join(value for _, value in request.context)


SPECIAL = {
    "ListObjectsV2": "ListBucket",
    "HeadObject": "GetObject",
    "ListObjectVersions": "ListBucketVersions",
    "Invoke": "InvokeFunction",
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}
"""Actions that are not called as their operations are."""
SERVICES = {
    "cloudwatch": "cloudwatch",
    "iot": "iot",
    "logs": "logs",
    "s3": "s3",
    "sns": "sns",
    "sqs": "sqs",
    "stepfunctions": "states",
    "xray": "xray",
}


def actions_in(folder: str) -> set[str]:
    """Actions of the boto3 calls that stand in the code of a folder."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in Path(folder).glob("*.py"))
    found: set[str] = set()
    for service, prefix in SERVICES.items():
        operations = boto3.client(service, region_name=REGION).meta.method_to_api_mapping
        client = rf'(?:\b{service}|client\("{service}"\))'
        for pair in re.findall(rf'{client}\.(?:get_paginator\("(\w+)"|(\w+)\()', text):
            name = operations.get(pair[0] or pair[1])
            if name is not None:
                found.add(f"{prefix}:{SPECIAL.get(name, name)}")
    return found


def test_the_commands_calls_are_those_of_their_code() -> None:
    listed = {
        action
        for who in OPERATORS
        for one in operator_policy(who, *WHERE)["Statement"]
        for action in one["Action"]
    }
    # A notebook changes a state machine that it has created, by a permission to create one.
    found = actions_in("etl/operations") - {"states:UpdateStateMachine"}
    assert len(found) > 15
    assert found | actions_in("dashboard/sources") <= listed


def test_the_doctors_policy_fits_and_names_no_wildcard_action() -> None:
    statements = doctor_policy("plant", ACCOUNT, REGION)["Statement"]
    assert len({one["Sid"] for one in statements}) == len(statements)
    actions = [action for one in statements for action in one["Action"]]
    assert not [action for action in actions if "*" in action]
    writing = {
        a for a in actions if not re.match(r"\w+:(Get|List|Describe|Batch|Simulate|Valid)", a)
    }
    assert writing == {
        "cloudwatch:SetAlarmState",
        "iot:AttachPolicy",
        "iot:AttachThingPrincipal",
        "iot:CreateCertificateFromCsr",
        "iot:CreateThing",
        "iot:DeleteCertificate",
        "iot:DetachPolicy",
        "iot:DetachThingPrincipal",
        "iot:UpdateCertificate",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        # Of the notify function, which lists the channels.
        "lambda:InvokeFunction",
        "s3:PutObject",
        "sns:Subscribe",
        "sns:Unsubscribe",
        "sqs:CreateQueue",
        "sqs:DeleteQueue",
        "sqs:ReceiveMessage",
        "sqs:SetQueueAttributes",
    }


@pytest.mark.parametrize("who", ["doctor", *OPERATORS])
def test_a_policy_is_printed_for_the_partition_of_the_region(
    who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--stack", "plant", "--region", "us-gov-west-1", "settings", "policy", who]
    result = CliRunner().invoke(app, [*words, "--account", ACCOUNT])
    assert result.exit_code == 0, result.output
    statements = json.loads(result.stdout)["Statement"]
    resources = {arn for one in statements for arn in one["Resource"]} - {"*"}
    assert {one.split(":")[1] for one in resources} == {"aws-us-gov"}
