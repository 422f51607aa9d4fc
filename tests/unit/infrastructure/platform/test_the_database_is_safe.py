"""RDS: encrypted, TLS only, kept when the stack goes, its owner's password known to nobody."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2
import pytest

from infrastructure.platform.database import PARAMETERS
from tests.unit.infrastructure.platform.deployments import NEW, SETTINGS
from tests.unit.infrastructure.platform.resolving import Resolved

KEY = {"Fn::GetAtt": ["PlatformKey", "Arn"]}


@pytest.fixture(scope="module")
def instance(resources) -> dict[str, Any]:
    found: dict[str, Any] = resources["DatabaseInstance"]["Properties"]
    return found


def test_data_snapshots_and_insights_are_encrypted_by_the_stacks_own_key(instance):
    assert instance["StorageEncrypted"] is True
    assert instance["KmsKeyId"] == instance["PerformanceInsightsKMSKeyId"] == KEY
    assert instance["MasterUserSecret"]["KmsKeyId"] == KEY


def test_rds_makes_and_rotates_the_owners_password(instance):
    assert instance["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in instance


def test_it_is_reached_by_its_group_alone(instance):
    assert instance["PubliclyAccessible"] is False
    assert instance["VPCSecurityGroups"] == [{"Fn::GetAtt": ["DatabaseGroup", "GroupId"]}]


def test_it_survives_the_stack(resources):
    instance, key = resources["DatabaseInstance"], resources["PlatformKey"]
    assert (instance["DeletionPolicy"], instance["UpdateReplacePolicy"]) == ("Snapshot", "Snapshot")
    # A snapshot without its key is lost.
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert instance["Properties"]["DeleteAutomatedBackups"] is False


def test_its_logs_have_groups_that_are_encrypted_before_it_writes(resources, instance):
    for title in resources["DatabaseInstance"]["DependsOn"]:
        group = resources[title]["Properties"]
        assert group["KmsKeyId"] == KEY
        log = group["LogGroupName"]["Fn::Sub"].rsplit("/", 1)[-1]
        assert log in instance["EnableCloudwatchLogsExports"]


def test_the_key_lets_cloudwatch_use_it_for_every_log_group_of_the_stack(resources):
    statement = resources["PlatformKey"]["Properties"]["KeyPolicy"]["Statement"][1]
    arns = statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    allowed = [arn["Fn::Sub"].split("log-group:")[1].rstrip("*") for arn in arns]
    groups = [r for r in resources.values() if r["Type"] == "AWS::Logs::LogGroup"]
    assert groups
    for group in groups:
        name = group["Properties"]["LogGroupName"]["Fn::Sub"]
        assert any(name.startswith(start) for start in allowed), name


def test_whoever_comes_without_tls_is_refused():
    assert PARAMETERS["rds.force_ssl"] == "1"


def test_the_version_is_the_one_that_the_tests_run_against(postgres):
    with closing(psycopg2.connect(postgres.dsn())) as connection:
        assert str(connection.server_version // 10_000) == NEW.engine_version


def test_parameters_are_of_the_engines_family(resources, instance):
    family = resources["DatabaseParameters"]["Properties"]["Family"]
    assert family == {"Fn::Sub": "postgres${EngineVersion}"}
    assert instance["EngineVersion"] == {"Ref": "EngineVersion"}


def test_postgresql_takes_every_parameter(postgres):
    """RDS's own (``rds.``) are not PostgreSQL's; units are those that a bare number has."""
    own = {name: value for name, value in PARAMETERS.items() if not name.startswith("rds.")}
    with closing(psycopg2.connect(postgres.dsn())) as connection, connection.cursor() as cursor:
        for name, value in own.items():
            cursor.execute(
                "SELECT vartype, unit, enumvals FROM pg_settings WHERE name = %s", (name,)
            )
            kind, unit, words = cursor.fetchone()
            assert kind in ("bool", "enum") or unit == "ms", name
            assert value in {"bool": ("0", "1"), "enum": words}.get(kind, value), name


def test_the_proxy_takes_tls_alone_and_knows_the_loader_alone(resources):
    proxy = resources["DatabaseProxy"]["Properties"]
    assert proxy["RequireTLS"] is True
    assert proxy["DebugLogging"] is False
    assert [auth["SecretArn"] for auth in proxy["Auth"]] == [{"Ref": "LoaderSecretArn"}]
    statements = resources["ProxyRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert [(s["Action"], s["Resource"]) for s in statements] == [
        (["secretsmanager:GetSecretValue"], {"Ref": "LoaderSecretArn"}),
        (["kms:Decrypt"], {"Ref": "CoreKeyArn"}),
    ]


def test_the_proxy_comes_after_the_role_that_it_logs_in_with(template):
    """The first migration makes the role; CloudFormation would wait for the login in vain."""
    from dataclasses import replace

    first = replace(SETTINGS["everything"], core_stack="")
    assert "DatabaseProxy" not in Resolved(template, first.parameters()).resources
    assert "DatabaseProxy" in Resolved(template, SETTINGS["everything"].parameters()).resources


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("everything", {"DBInstanceIdentifiers": [{"Ref": "DatabaseInstance"}]}),
        (
            "given network, given cluster with a proxy",
            {"DBClusterIdentifiers": [{"Ref": "DatabaseClusterId"}]},
        ),
        (
            "given network, given instance with a proxy",
            {"DBInstanceIdentifiers": [{"Ref": "DatabaseInstanceId"}]},
        ),
    ],
)
def test_the_proxy_has_one_target(template, name, targets):
    made = Resolved(template, SETTINGS[name].parameters()).resources["ProxyTarget"]["Properties"]
    assert {key: value for key, value in made.items() if key.endswith("Identifiers")} == targets


def test_the_proxy_waits_no_longer_than_load_lives():
    from functions.inventory import function
    from infrastructure.platform.proxy import BORROW_SECONDS, IDLE_CLIENT_SECONDS

    timeout = function("load").timeout
    assert timeout / 4 > BORROW_SECONDS
    assert timeout <= IDLE_CLIENT_SECONDS
