"""The stack as it is deployed: the names of its resources, and its policies, read from there."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from etl.aws.target import Target
from infrastructure.core.topic_rules import title_of
from tests.permissions.policies import Named, Policies, Statement
from tests.permissions.statements import names, of_resource

__all__ = ["DEVICE", "Stack"]

DEVICE = "a device"
"""Principal that the IoT policy is attached to."""
ADMINISTRATOR = "an administrator of the account"


class Stack:
    """One deployed stack; what it is called here is its logical ids."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.name = target.stack
        self.region = target.region
        self.account: str = target.client("sts").get_caller_identity()["Account"]
        formation = target.client("cloudformation")
        found = formation.describe_stack_resources(StackName=self.name)["StackResources"]
        self.physical = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found}
        body = formation.get_template(StackName=self.name)["TemplateBody"]
        template = json.loads(body) if isinstance(body, str) else body
        self.resources: dict[str, dict[str, Any]] = {
            logical: resource
            for logical, resource in template["Resources"].items()
            if logical in self.physical
        }

    def of_type(self, kind: str) -> list[str]:
        """Logical ids of the resources of a type."""
        return [name for name, r in self.resources.items() if r["Type"] == kind]

    def arn(self, service: str, rest: str) -> str:
        """An ARN of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{rest}"

    def role(self, logical: str) -> str:
        """ARN of a role."""
        return f"arn:aws:iam::{self.account}:role/{self.physical[logical]}"

    def function_role(self, function: str) -> str:
        """ARN of the role of a function, by the function's short name."""
        return self.role(f"{function.title()}Role")

    @property
    def bucket(self) -> str:
        """ARN of the data bucket."""
        return f"arn:aws:s3:::{self.physical['DataBucket']}"

    @property
    def key(self) -> str:
        """ARN of the stack's key."""
        return self.arn("kms", f"key/{self.physical['DataKey'].rpartition('/')[2]}")

    @property
    def machine(self) -> str:
        """ARN of the state machine."""
        return self.physical["StateMachine"]

    def queue(self, logical: str) -> str:
        """ARN of a queue."""
        return self.arn("sqs", self.physical[logical].rpartition("/")[2])

    def topics(self, device: str) -> list[tuple[str, str]]:
        """A topic of the device for each contract, and the prefix of the way past the broker."""
        contracts, outputs = self.target.contracts, self.target.outputs
        return [
            (
                outputs[f"BasicIngestPrefix{title_of(contracts, contract)}"],
                contract.topic_filter.fill(device, lambda _: "hall"),
            )
            for contract in contracts
        ]

    def via(self, service: str) -> tuple[tuple[str, str], ...]:
        """The context of a use of the key by a service."""
        return (("kms:ViaService", f"{service}.{self.region}.amazonaws.com"),)

    def key_of_secret(self, secret: str) -> str | None:
        """ARN of the customer's key that a secret is under; ``None``: the account's default key."""
        found = self.target.client("secretsmanager").describe_secret(SecretId=secret)
        key: str | None = found.get("KmsKeyId")
        return key

    @cached_property
    def policies(self) -> Policies:
        """All statements, resolved; and what is the account's: an administrator, the owner's key."""
        found = [
            Named(name, statement, holder, guards)
            for logical, resource in self.resources.items()
            for policy, _ in of_resource(resource)
            for holder, guards in [self._about(logical, resource, policy)]
            for statements in [self._read(logical, resource, policy)]
            for name, statement in zip(names(logical, policy, statements), statements, strict=True)
        ]
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        given = [Named("", everything, ADMINISTRATOR)]
        owners = self.target.parameters["OwnerKeyArn"]
        given += [Named("", one, guards=(owners,)) for one in self._key_policy(owners)]
        return Policies([*found, *given], self.account)

    def _key_policy(self, key: str) -> list[Statement]:
        found = self.target.client("kms").get_key_policy(KeyId=key, PolicyName="default")
        statements: list[Statement] = json.loads(found["Policy"])["Statement"]
        return statements

    def _about(
        self, logical: str, resource: dict[str, Any], policy: str
    ) -> tuple[str | None, tuple[str, ...]]:
        """Whose policy it is, or which resources it guards."""
        kind, properties = resource["Type"], resource["Properties"]
        if kind == "AWS::IAM::Role":
            role = self.role(logical)
            return (None, (role,)) if policy == "Trust" else (role, ())
        if kind == "AWS::IoT::Policy":
            return DEVICE, ()
        if kind == "AWS::KMS::Key":
            return None, (self.key,)
        if kind == "AWS::SQS::QueuePolicy":
            return None, tuple(self.queue(queue["Ref"]) for queue in properties["Queues"])
        if kind == "AWS::SNS::TopicPolicy":
            return None, tuple(self.physical[topic["Ref"]] for topic in properties["Topics"])
        return None, (self.bucket, f"{self.bucket}/*")

    def _read(self, logical: str, resource: dict[str, Any], policy: str) -> list[Statement]:
        """The statements as the services hold them."""
        kind, properties = resource["Type"], resource["Properties"]
        document: Any
        if kind == "AWS::IAM::Role":
            document = self._of_role(self.physical[logical], policy)
        elif kind == "AWS::IoT::Policy":
            iot = self.target.client("iot")
            document = iot.get_policy(policyName=self.physical[logical])["policyDocument"]
        elif kind == "AWS::KMS::Key":
            return self._key_policy(self.key)
        elif kind == "AWS::SQS::QueuePolicy":
            url = self.physical[properties["Queues"][0]["Ref"]]
            asked = {"QueueUrl": url, "AttributeNames": ["Policy"]}
            document = self.target.client("sqs").get_queue_attributes(**asked)["Attributes"][
                "Policy"
            ]
        elif kind == "AWS::SNS::TopicPolicy":
            topic = self.physical[properties["Topics"][0]["Ref"]]
            sns = self.target.client("sns")
            document = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
        else:
            s3 = self.target.client("s3")
            document = s3.get_bucket_policy(Bucket=self.physical["DataBucket"])["Policy"]
        plain = json.loads(document) if isinstance(document, str) else document
        return list(plain["Statement"])

    def _of_role(self, role: str, policy: str) -> Any:
        iam = self.target.client("iam")
        if policy == "Trust":
            return iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        return iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
