"""Fleet provisioning adds its own resources, each as narrow as it can be, and only where wanted."""

from __future__ import annotations

import json
from typing import Any

from etl.deployment.expansion import first_template
from infrastructure.core.provisioning import CLAIM_TOPICS

OWN = {
    "ProvisionFunction", "ProvisionRole", "ProvisionLogGroup", "ProvisionPermission",
    "ProvisioningRole", "ProvisioningTemplate", "ClaimPolicy",
}  # fmt: skip


def test_nothing_else_changes_but_the_key_that_encrypts_one_more_log(
    template: dict[str, Any], provisioning_template: dict[str, Any]
) -> None:
    before, after = template["Resources"], provisioning_template["Resources"]
    assert after.keys() - before.keys() == OWN
    assert {name for name in before if before[name] != after[name]} == {"DataKey"}
    assert template["Parameters"] == provisioning_template["Parameters"]
    assert first_template(provisioning_template)["Resources"].keys() == (
        first_template(template)["Resources"].keys()
    )


def test_the_body_registers_a_thing_with_the_policy_of_all_devices(
    provisioning_template: dict[str, Any],
) -> None:
    properties = provisioning_template["Resources"]["ProvisioningTemplate"]["Properties"]
    assert properties["PreProvisioningHook"]["PayloadVersion"] == "2020-04-01"
    body = json.loads(properties["TemplateBody"]["Fn::Sub"])
    assert body["Resources"]["policy"]["Properties"] == {"PolicyName": "${DevicePolicy}"}
    assert body["Resources"]["thing"]["Properties"] == {"ThingName": {"Ref": "SerialNumber"}}
    # AWS IoT's limit of a body: docs.aws.amazon.com/iot/latest/apireference/API_CreateProvisioningTemplate.html
    assert len(properties["TemplateBody"]["Fn::Sub"]) < 10_240


def test_a_claim_certificate_can_only_ask_for_a_certificate(
    provisioning_template: dict[str, Any],
) -> None:
    document = provisioning_template["Resources"]["ClaimPolicy"]["Properties"]["PolicyDocument"]
    connect, ask, listen = document["Statement"]
    assert connect["Resource"]["Fn::Sub"].endswith(":client/claim-*")
    assert ask["Action"] == ["iot:Publish", "iot:Receive"]
    for statement, kind in ((ask, "topic"), (listen, "topicfilter")):
        ends = {one["Fn::Sub"].split(f":{kind}/", 1)[1] for one in statement["Resource"]}
        assert ends == set(CLAIM_TOPICS)
        assert all(end.startswith("$aws/") for end in ends)
    assert "telemetry" not in json.dumps(document)


def test_only_aws_iot_invokes_the_hook_and_only_for_this_template(
    provisioning_template: dict[str, Any],
) -> None:
    permission = provisioning_template["Resources"]["ProvisionPermission"]["Properties"]
    assert permission["Principal"] == "iot.amazonaws.com"
    assert permission["SourceArn"]["Fn::Sub"].endswith(":provisioningtemplate/${AWS::StackName}")
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_no_role_of_it_may_write_data_or_make_policies(
    provisioning_template: dict[str, Any],
) -> None:
    resources = provisioning_template["Resources"]
    allowed = {
        action
        for name in ("ProvisionRole", "ProvisioningRole")
        for policy in resources[name]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    }
    assert "iot:CreatePolicy" not in allowed
    assert {one for one in allowed if one.startswith("s3:")} == {"s3:GetObject", "s3:ListBucket"}
    for policy in resources["ProvisioningRole"]["Properties"]["Policies"]:
        statements = policy["PolicyDocument"]["Statement"]
        # Those that IAM knows no resource of.
        assert [one["Action"] for one in statements if one["Resource"] == "*"] == [
            ["iot:AttachThingPrincipal", "iot:ListAttachedPolicies", "iot:ListThingPrincipals"]
        ]
