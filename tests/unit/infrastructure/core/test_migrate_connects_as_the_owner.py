"""Migrate goes straight to the database, as its owner, whatever Load goes through."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

KEY = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"


def variables(resources: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = resources[f"{name}Function"]["Properties"]["Environment"]["Variables"]
    return found


def test_migrate_has_the_owners_host_where_one_is_given(template, resources):
    host = {"Fn::If": ["HasOwnerHost", {"Ref": "OwnerDatabaseHost"}, {"Ref": "DatabaseHost"}]}
    assert variables(resources, "Migrate")["DATABASE_HOST"] == host
    assert variables(resources, "Load")["DATABASE_HOST"] == {"Ref": "DatabaseHost"}
    assert template["Conditions"]["HasOwnerHost"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "OwnerDatabaseHost"}, ""]}]
    }


def test_only_migrate_decrypts_with_the_owners_key_and_only_where_there_is_one(resources):
    roles = {n: r["Properties"] for n, r in resources.items() if r["Type"] == "AWS::IAM::Role"}
    with_key = {name for name, role in roles.items() if "OwnerKeyArn" in str(role["Policies"])}
    assert with_key == {"MigrateRole"}
    (policy,) = [
        policy["Fn::If"]
        for policy in roles["MigrateRole"]["Policies"]
        if policy.get("Fn::If", [""])[0] == "HasOwnerKey"
    ]
    (statement,) = policy[1]["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["kms:Decrypt"]
    assert statement["Resource"] == {"Ref": "OwnerKeyArn"}
    assert statement["Condition"]["StringLike"]["kms:ViaService"] == {
        "Fn::Sub": "secretsmanager.${AWS::Region}.amazonaws.*"
    }
    assert policy[2] == {"Ref": "AWS::NoValue"}


@pytest.mark.parametrize(
    ("field", "value", "parameter"),
    [("owner_host", "db.example.com", "OwnerDatabaseHost"), ("owner_key_arn", KEY, "OwnerKeyArn")],
)
def test_the_owners_settings_become_parameters(settings, field, value, parameter):
    told = replace(settings, database=replace(settings.database, **{field: value}))
    assert told.parameters("bucket")[parameter] == value
    assert settings.parameters("bucket")[parameter] == ""
