"""Every policy of the product as AWS would get it: of both templates, and those that it prints.

References are filled in with ARNs of an example account, so that a tool that knows no template can
read them. A choice between two values is taken both ways. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from audit.policy_lint import OF_ANOTHER_KIND
from etl.deployment.permissions import Part, cloudformation_policy, deployer_policy
from etl.doctor.policy import doctor_policy
from etl.operations.permissions import OPERATORS, operator_policy
from infrastructure.role_settings import RoleSettings

__all__ = ["policies_of", "printed_policies"]

ACCOUNT, REGION, STACK = "123456789012", "eu-central-1", "audit"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
}
ARNS = {
    "AWS::KMS::Key": "arn:aws:kms:{place}:key/11111111-2222-3333-4444-555555555555",
    "AWS::Lambda::Function": "arn:aws:lambda:{place}:function:{name}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{place}:log-group:{name}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SNS::Topic": "arn:aws:sns:{place}:{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:{place}:{name}",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:{place}:secret:{name}-AbCdEf",
    "AWS::StepFunctions::StateMachine": "arn:aws:states:{place}:stateMachine:{name}",
}
PARAMETERS = {
    "KeyArn": "AWS::KMS::Key",
    "SecretArn": "AWS::SecretsManager::Secret",
}
"""Type of the resource that a parameter names, by the end of the parameter's name."""
PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")
PARTS: tuple[Part, ...] = ("core", "platform", "quicksight")

Document = dict[str, Any]


def printed_policies() -> dict[str, Document]:
    """The policies that `etl` prints for people to attach, by name."""
    role = f"arn:aws:iam::{ACCOUNT}:role/{STACK}-cloudformation"
    printed = {
        "deployer": deployer_policy(STACK, ACCOUNT, REGION, role),
        "doctor": doctor_policy(STACK, ACCOUNT, REGION),
    }
    for who in OPERATORS:
        printed[who] = operator_policy(who, STACK, ACCOUNT, REGION)
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
    bound = RoleSettings(permissions_boundary_arn=boundary, path="/workloads/")
    for part in PARTS:
        printed[f"cloudformation-{part}"] = cloudformation_policy(part, STACK, ACCOUNT, REGION)
    printed["cloudformation-bound"] = cloudformation_policy("core", STACK, ACCOUNT, REGION, bound)
    return printed


def policies_of(template: Document) -> dict[str, Document]:
    """The policies of a template's resources, by logical id and place within the resource."""
    return {
        f"{name}-{number}": {**_filled(document, template), "Version": "2012-10-17"}
        for name, resource in template["Resources"].items()
        if resource["Type"] not in OF_ANOTHER_KIND
        for number, document in enumerate(_documents(resource["Properties"]))
    }


def _documents(part: Any) -> Iterator[Document]:
    if isinstance(part, dict):
        if "Statement" in part:
            yield part
            return
        for name, value in part.items():
            if name not in OF_ANOTHER_KIND:
                yield from _documents(value)
    elif isinstance(part, list):
        for value in part:
            yield from _documents(value)


def _filled(part: Any, template: Document) -> Any:
    if isinstance(part, list):
        return [value for one in part for value in _alternatives(one, template)]
    if not isinstance(part, dict):
        return part
    if len(part) == 1:
        ((name, arguments),) = part.items()
        if name == "Ref":
            return _reference(arguments, template)
        if name == "Fn::GetAtt":
            return _reference(arguments[0], template)
        if name == "Fn::Sub":
            return _substituted(arguments, template)
        if name.startswith("Fn::"):
            raise ValueError(f"{name} in a policy is not known here: {arguments}")
    return {key: _filled(value, template) for key, value in part.items()}


def _alternatives(part: Any, template: Document) -> Iterator[Any]:
    """The values of an element of a list, which may be a choice."""
    if isinstance(part, dict) and "Fn::If" in part:
        for branch in part["Fn::If"][1:]:
            if branch != {"Ref": "AWS::NoValue"}:
                yield from _alternatives(branch, template)
    else:
        yield _filled(part, template)


def _substituted(text: str, template: Document) -> str:
    def replace(match: re.Match[str]) -> str:
        literal, name = match.groups()
        if literal:
            return f"${{{name}}}"
        return str(_reference(name.partition(".")[0], template))

    return PLACEHOLDER.sub(replace, text)


def _reference(name: str, template: Document) -> str:
    if name in PSEUDO:
        return PSEUDO[name]
    if name in template["Resources"]:
        kind = template["Resources"][name]["Type"]
    else:
        kind = next((type_ for end, type_ in PARAMETERS.items() if name.endswith(end)), "")
    if kind not in ARNS:
        return name
    return ARNS[kind].format(place=f"{REGION}:{ACCOUNT}", name=name.lower())
