"""What the person and CloudFormation may do: exact actions, the stack's own roles, within limits."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.deployment.permissions import (
    HANDLERS_FILE,
    UNLIMITED,
    cloudformation_policy,
    deployer_policy,
)
from tests.unit.etl.deployment.schemas import schemas, types_of

WHERE = ("plant", "123456789012", "eu-central-1")
NOT_OURS = {
    "autoscaling",
    "billing",
    "elasticfilesystem",
    "firehose",
    "s3files",
    "s3tables",
    "vpc-lattice",
    "vpce",
}
"""Services that handlers call for properties which neither template has."""
NO_ACTIONS = {"s3:REST.PUT.OBJECT"}
FOR_A_PROPERTY = {
    "ec2:AssociateSubnetCidrBlock": "Ipv6CidrBlock",
    "ec2:DisassociateSubnetCidrBlock": "Ipv6CidrBlock",
    "ec2:CreateVpcEncryptionControl": "VpcEncryptionControl",
    "ec2:ModifyVpcTenancy": "InstanceTenancy",
    "logs:DeleteDataProtectionPolicy": "DataProtectionPolicy",
    "logs:PutDataProtectionPolicy": "DataProtectionPolicy",
    "logs:DeleteIndexPolicy": "FieldIndexPolicies",
    "logs:PutIndexPolicy": "FieldIndexPolicies",
    "logs:PutBearerTokenAuthentication": "BearerTokenAuthenticationEnabled",
    "logs:PutLogGroupDeletionProtection": "DeletionProtectionEnabled",
    "rds:AddRoleToDBInstance": "AssociatedRoles",
    "rds:RemoveRoleFromDBInstance": "AssociatedRoles",
    "rds:CreateDBInstanceReadReplica": "SourceDBInstanceIdentifier",
    "rds:PromoteReadReplica": "SourceDBInstanceIdentifier",
    "rds:RestoreDBInstanceFromDBSnapshot": "DBSnapshotIdentifier",
    "rds:RestoreDBInstanceToPointInTime": "RestoreTime",
    "rds:StartDBInstanceAutomatedBackupsReplication": "AutomaticBackupReplicationRegion",
    "rds:StopDBInstanceAutomatedBackupsReplication": "AutomaticBackupReplicationRegion",
}
"""Actions that handlers call for one property alone; left out while no template has it."""
INLINE_CHARACTERS, MANAGED_CHARACTERS = 10_240, 6_144
"""Of a role's policies: docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""


def handlers(template: dict[str, Any]) -> dict[str, list[str]]:
    """Service to the actions that CloudFormation's handlers of the template's types call."""
    found: dict[str, set[str]] = {}
    text = json.dumps(template)
    for kind in types_of(template):
        for verb, handler in schemas()[kind].get("handlers", {}).items():
            for action in handler.get("permissions", []) if verb != "list" else []:
                service = action.partition(":")[0].lower()
                if FOR_A_PROPERTY.get(action, "") not in text:
                    continue
                if service not in NOT_OURS and action not in NO_ACTIONS:
                    found.setdefault(service, set()).add(f"{service}:{action.partition(':')[2]}")
    return {service: sorted(actions) for service, actions in sorted(found.items())}


def test_cloudformation_may_do_what_its_handlers_call(templates, provisioning_template):
    every = {**templates, "core": provisioning_template}
    wanted = {part: handlers(template) for part, template in every.items()}
    if os.environ.get("UPDATE_GOLDEN"):
        HANDLERS_FILE.write_text(json.dumps(wanted, indent=1) + "\n")
    assert json.loads(HANDLERS_FILE.read_text()) == wanted, "UPDATE_GOLDEN=1 writes it anew"


POLICIES: list[dict[str, Any]] = [
    deployer_policy(*WHERE, role="arn:aws:iam::123456789012:role/cfn"),
    cloudformation_policy("core", *WHERE),
    cloudformation_policy("platform", *WHERE),
    cloudformation_policy("quicksight", *WHERE),
]


@pytest.mark.parametrize("policy", POLICIES)
def test_no_action_is_a_wildcard_and_roles_are_the_stacks_own(policy):
    sids = [statement["Sid"] for statement in policy["Statement"]]
    assert len(set(sids)) == len(sids)
    for statement in policy["Statement"]:
        assert not any("*" in action for action in statement["Action"])
        # To list the roles is no power over one, and IAM can't limit it.
        if any(action.startswith("iam:") for action in {*statement["Action"]} - {"iam:ListRoles"}):
            assert statement["Resource"] != "*"


@pytest.mark.parametrize("policy", POLICIES)
def test_what_iam_knows_no_resource_of_is_allowed_on_all(policy):
    for statement in policy["Statement"]:
        if set(UNLIMITED) & set(statement["Action"]):
            assert statement["Resource"] == "*"
            assert set(statement["Action"]) <= set(UNLIMITED)


def test_the_policies_fit_where_they_are_to_be_put():
    lengths = [len(json.dumps(policy, separators=(",", ":"))) for policy in POLICIES]
    assert lengths[0] <= MANAGED_CHARACTERS
    assert lengths[1] <= INLINE_CHARACTERS
    assert max(lengths[2:]) <= MANAGED_CHARACTERS


def test_the_person_may_pass_on_nothing_but_the_execution_role():
    (statement,) = [one for one in POLICIES[0]["Statement"] if one["Action"] == ["iam:PassRole"]]
    assert statement["Resource"] == "arn:aws:iam::123456789012:role/cfn"
    assert statement["Condition"] == {
        "StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}
    }
    without = deployer_policy(*WHERE)["Statement"]
    assert not [one for one in without if one["Action"] == ["iam:PassRole"]]


@pytest.mark.parametrize(
    "who",
    ["deployer", "cloudformation", "cloudformation-platform", "cloudformation-quicksight"],
)
def test_a_policy_is_printed_for_the_settings(who, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--stack", "plant", "--region", "eu-central-1", "settings", "policy", who]
    result = CliRunner().invoke(app, [*words, "--account", "123456789012"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["Statement"]
