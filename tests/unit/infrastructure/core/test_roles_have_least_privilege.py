"""What each role may do is a golden file, so that a wider permission shows in review."""

from __future__ import annotations

from typing import Any

from functions.inventory import FUNCTIONS
from tests.fixtures.golden_files import check_golden

# Actions for which AWS knows no resource, and why; `make audit` compares every statement with the
# Service Authorization Reference (https://docs.aws.amazon.com/service-authorization/latest/reference/).
ON_EVERYTHING = {
    "xray:PutTraceSegments": "X-Ray knows no resource of a trace",
    "xray:PutTelemetryRecords": "X-Ray knows no resource of a trace",
    "xray:GetSamplingRules": "listed for all rules at once",
    "xray:GetSamplingTargets": "asked for all rules at once",
    "logs:CreateLogDelivery": "deliveries of vended logs have no ARN",
    "logs:GetLogDelivery": "deliveries of vended logs have no ARN",
    "logs:UpdateLogDelivery": "deliveries of vended logs have no ARN",
    "logs:DeleteLogDelivery": "deliveries of vended logs have no ARN",
    "logs:ListLogDeliveries": "deliveries of vended logs have no ARN",
    "logs:PutResourcePolicy": "the policy is the region's, not a log group's",
    "logs:DescribeResourcePolicies": "the policy is the region's, not a log group's",
    "logs:DescribeLogGroups": "Step Functions describes all: its page on logging asks for it",
    "ec2:DescribeNetworkInterfaces": "EC2 describes all, says Lambda's page on VPCs",
    "ec2:DescribeSubnets": "EC2 describes all",
}


def as_text(resource: Any) -> str:
    if isinstance(resource, str):
        return resource
    (kind, value), *_ = resource.items()
    return ".".join(value) if kind == "Fn::GetAtt" else str(value)


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for policy in role["Properties"]["Policies"]:
        inline = policy["Fn::If"][1] if "Fn::If" in policy else policy
        found += inline["PolicyDocument"]["Statement"]
    return found


def grants(role: dict[str, Any]) -> dict[str, list[str]]:
    """Action to the resources it is allowed on."""
    allowed: dict[str, list[str]] = {}
    for statement in statements(role):
        if statement["Effect"] != "Allow":
            continue
        resources = statement["Resource"]
        listed = resources if isinstance(resources, list) else [resources]
        for action in statement["Action"]:
            allowed.setdefault(action, []).extend(as_text(resource) for resource in listed)
    return {action: sorted(on) for action, on in sorted(allowed.items())}


def roles(resources: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: r for name, r in resources.items() if r["Type"] == "AWS::IAM::Role"}


def test_the_permissions_are_the_golden_ones(resources):
    check_golden(
        __file__, "roles.json", {name: grants(role) for name, role in roles(resources).items()}
    )


def test_each_function_has_a_role_of_its_own(resources):
    used = [resources[f"{spec.title}Function"]["Properties"]["Role"] for spec in FUNCTIONS]
    assert used == [{"Fn::GetAtt": [f"{spec.title}Role", "Arn"]} for spec in FUNCTIONS]


def test_no_action_is_a_wildcard(resources):
    for name, role in roles(resources).items():
        assert not [action for action in grants(role) if "*" in action], name


def test_a_wildcard_resource_is_only_where_aws_knows_no_other(resources):
    for name, role in roles(resources).items():
        everywhere = {action for action, on in grants(role).items() if "*" in on}
        assert everywhere <= set(ON_EVERYTHING), name


def test_no_reason_for_a_wildcard_resource_is_left_over(resources):
    everywhere = {
        action
        for role in roles(resources).values()
        for action, on in grants(role).items()
        if "*" in on
    }
    assert everywhere == set(ON_EVERYTHING)


def test_a_deny_is_of_one_functions_own_code(resources):
    for name, role in roles(resources).items():
        for statement in statements(role):
            if statement["Effect"] == "Deny":
                own = statement["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]["Fn::Sub"]
                function = name.removesuffix("Role").lower()
                assert own.endswith(f":function:${{AWS::StackName}}-{function}"), name


def test_the_key_is_used_through_one_service_only(resources):
    for name, role in roles(resources).items():
        for statement in statements(role):
            if any(action.startswith("kms:") for action in statement["Action"]):
                assert "kms:ViaService" in statement["Condition"]["StringLike"], name


def test_only_lambda_trusts_without_naming_this_account_and_a_resource(resources):
    for name, role in roles(resources).items():
        trust = role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
        if trust["Principal"]["Service"] != "lambda.amazonaws.com":
            assert "aws:SourceAccount" in trust["Condition"]["StringEquals"], name
            assert "aws:SourceArn" in trust["Condition"]["ArnLike"], name


def test_the_owners_login_is_read_by_migrate_alone(resources):
    readers = [n for n, role in roles(resources).items() if "OwnerSecretArn" in str(grants(role))]
    assert readers == ["MigrateRole"]
