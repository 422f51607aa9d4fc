"""The names of all statements of the core template: what the tests are made for, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from functions.inventory import functions_of
from infrastructure.core.build import Artifacts, build_template
from infrastructure.settings import DatabaseSettings, DeploySettings
from layers.target import LAYERS
from telemetry.contract import ContractSet, load_contract
from tests.permissions.policies import Statement

__all__ = ["CONTRACT", "FURTHER", "names", "of_resource", "statement_names"]

CONTRACT = Path("tests/chaos/chaos.toml")
FURTHER = Path("tests/chaos/states.toml")
"""A further contract, with a wildcard beside the device's."""
DOCUMENT_IN = {
    "AWS::IoT::Policy": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
}


def of_resource(resource: dict[str, Any]) -> Iterator[tuple[str, list[Statement]]]:
    """The policies that a resource of a template holds: name, statements."""
    properties = resource.get("Properties", {})
    if resource["Type"] == "AWS::IAM::Role":
        yield "Trust", properties["AssumeRolePolicyDocument"]["Statement"]
        for policy in properties["Policies"]:
            inline = policy["Fn::If"][1] if "Fn::If" in policy else policy
            yield inline["PolicyName"], inline["PolicyDocument"]["Statement"]
    elif resource["Type"] in DOCUMENT_IN:
        yield "Policy", properties[DOCUMENT_IN[resource["Type"]]]["Statement"]
    elif "Statement" in str(properties):
        raise ValueError(f"no test reads the policies of {resource['Type']}")


def names(logical: str, policy: str, statements: list[Statement]) -> list[str]:
    """Names of statements: by Sid, or by place where they have none."""
    return [f"{logical}.{policy}.{s.get('Sid') or n}" for n, s in enumerate(statements)]


def statement_names() -> list[str]:
    """Every statement that the template can deploy."""
    settings = DeploySettings(
        stack="s", contract=CONTRACT, database=DatabaseSettings(host="h"), channels=True
    )
    functions = functions_of(fleet_provisioning=False, channels=True)
    artifacts = Artifacts(
        functions={spec.package: "zip" for spec in functions}, layers=dict.fromkeys(LAYERS, "zip")
    )
    contract = replace(load_contract(CONTRACT), partition="month")
    contracts = ContractSet((contract, load_contract(FURTHER)))
    built = build_template(contracts, artifacts, settings, {}).to_dict()
    return [
        name
        for logical, resource in built["Resources"].items()
        for policy, statements in of_resource(resource)
        for name in names(logical, policy, statements)
    ]
