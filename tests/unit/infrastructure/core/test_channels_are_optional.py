"""Channels add their own resources, each as narrow as it can be, and only where wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infrastructure.core.alarm_spec import LONGEST_DESCRIPTION
from infrastructure.core.channels import CHANNEL_ALARMS, PAGE

OWN = {
    "NotifyFunction", "NotifyRole", "NotifyLogGroup", "NotifyPermission", "ChannelsSecret",
    "ChannelsSubscription", "NotificationsFailedAlarm", "NotifyErrorsAlarm",
}  # fmt: skip


def test_nothing_else_changes_but_the_key_that_encrypts_one_more_log(
    template: dict[str, Any], channels_template: dict[str, Any]
) -> None:
    before, after = template["Resources"], channels_template["Resources"]
    assert after.keys() - before.keys() == OWN
    assert {name for name in before if before[name] != after[name]} == {"DataKey"}
    assert template["Parameters"] == channels_template["Parameters"]


def test_the_function_may_read_its_secret_and_metrics_alone(
    channels_template: dict[str, Any],
) -> None:
    role = channels_template["Resources"]["NotifyRole"]["Properties"]
    (policy,) = role["Policies"]
    allowed = {
        action: statement["Resource"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    }
    assert allowed == {
        "logs:CreateLogStream": {"Fn::GetAtt": ["NotifyLogGroup", "Arn"]},
        "logs:PutLogEvents": {"Fn::GetAtt": ["NotifyLogGroup", "Arn"]},
        "xray:PutTraceSegments": "*",
        "xray:PutTelemetryRecords": "*",
        "secretsmanager:GetSecretValue": {"Fn::GetAtt": ["ChannelsSecret", "Id"]},
        "kms:Decrypt": {"Fn::GetAtt": ["DataKey", "Arn"]},
        "cloudwatch:GetMetricData": "*",
    }


def test_only_the_topic_of_the_stack_invokes_it(channels_template: dict[str, Any]) -> None:
    permission = channels_template["Resources"]["NotifyPermission"]["Properties"]
    assert permission["Principal"] == "sns.amazonaws.com"
    assert permission["SourceArn"] == {"Ref": "AlertTopic"}
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_the_secret_begins_with_a_signing_key_and_no_variable_holds_an_address(
    channels_template: dict[str, Any],
) -> None:
    resources = channels_template["Resources"]
    secret = resources["ChannelsSecret"]["Properties"]
    assert secret["KmsKeyId"] == {"Fn::GetAtt": ["DataKey", "Arn"]}
    assert secret["GenerateSecretString"] == {
        "SecretStringTemplate": "{}",
        "GenerateStringKey": "signing_key",
        "PasswordLength": 40,
        "ExcludePunctuation": True,
    }
    variables = resources["NotifyFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["RUNBOOK_URL"] == "https://docs.example.com/etl"
    assert variables["CHANNELS_SECRET_ARN"] == {"Fn::GetAtt": ["ChannelsSecret", "Id"]}


@pytest.mark.parametrize("spec", CHANNEL_ALARMS, ids=lambda spec: spec.name)
def test_each_alarm_has_its_section(spec: Any) -> None:
    assert f"\n## {spec.name}\n" in Path(PAGE).read_text(encoding="utf-8")
    assert spec.description.endswith(f"Runbook: {PAGE}#{spec.name}")
    assert len(spec.description) <= LONGEST_DESCRIPTION
