"""`etl doctor` on a deployed pipeline: it passes, leaves nothing, and sees what was broken by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.context import message_of
from etl.cli.main import app
from etl.deployment.laptop import laptop_settings, local_target
from etl.deployment.permissions import deployer_policy
from etl.doctor.alarm_route import check_alarm_route
from etl.doctor.check_result import CheckResult
from etl.doctor.database import check_login
from etl.doctor.deployed_functions import check_deployed_functions
from etl.doctor.examination import Examination, Section, run_sections
from etl.doctor.function_roles import check_roles
from etl.doctor.pipeline import check_canary
from etl.doctor.policy import doctor_policy
from tests.end_to_end.conftest import account

pytestmark = pytest.mark.timeout(900)

CONTRACT = "contracts/fleet.toml"
WAIT = 120.0
ACTIONS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "lambda:GetLayerVersionByArn": "lambda:GetLayerVersion",
}
"""Actions that are not called as their operations are."""
SERVICES = {"monitoring": "cloudwatch"}
"""Prefixes of actions that are not the services' names in their endpoints."""
FREE = {"sts:GetCallerIdentity"}
"""Needs no permission."""
OF_THE_STAND_INS = {"secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"}
"""The laptop writes its own database's login."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer for TLS than the ten seconds that a person waits."""
    monkeypatch.setattr("etl.doctor.postgres_tls.SECONDS", 120.0)


def run(target: Target, *words: str) -> Any:
    given = ["--state", str(target.state), "--stack", target.stack, "doctor", *words]
    return CliRunner().invoke(app, given)


def check(target: Target, section: Any, **members: Any) -> dict[str, CheckResult]:
    fresh = local_target(target.state, target.stack, target.local)
    examination = Examination(
        target=fresh,
        load_settings=lambda: (laptop_settings(fresh, Path(CONTRACT)), None),
        explain=message_of,
        **members,
    )
    results = run_sections(examination, (Section("section", section),))
    return {result.name: result for result in results}


@contextmanager
def recorded_actions(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    found: set[str] = set()
    call = BaseClient._make_api_call

    def record(self: BaseClient, operation: str, given: Any) -> Any:
        service = self.meta.service_model.endpoint_prefix
        action = f"{SERVICES.get(service, service)}:{operation}"
        found.add(ACTIONS.get(action, action))
        return call(self, operation, given)

    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", record)
        yield found


def test_a_pipeline_passes_and_the_canary_is_accounted_for(
    pipeline: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "report.json"
    with recorded_actions(monkeypatch) as actions:
        result = run(pipeline, "--json", "--wait", "240", "--report", str(report))
    assert result.exit_code == 0, result.output
    found = {one["name"]: one for one in json.loads(result.stdout)}
    assert {one["status"] for one in found.values()} == {"pass", "not checked"}
    assert found["canary: ledger row"]["finding"].startswith("1 of 1 readings set aside")
    assert found["canary: trace"]["status"] == "pass"
    assert found["alarms: route"]["status"] == "pass"
    for name in ("quotas", "permissions", "state machine"):
        assert found[name]["status"] == "not checked"
        assert "emulator" in found[name]["finding"]
    assert [one["name"] for one in json.loads(report.read_text())["results"]] == list(found)

    after = account(pipeline)
    assert after.verdict.status == "balanced", after
    assert (after.rows, after.ledger.set_aside) == (0, 1)
    assert after.ledger.rejected == 0
    assert after.published_messages == 1
    iot, probe = pipeline.client("iot"), pipeline.outputs["ProbeThingName"]
    assert iot.list_thing_principals(thingName=probe)["principals"] == []
    assert iot.list_certificates()["certificates"] == []
    assert iot.describe_thing(thingName=probe)["thingName"] == probe

    allowed = {
        action
        for policy in (
            doctor_policy("s", "123456789012", "eu-central-1"),
            deployer_policy("s", "123456789012", "eu-central-1"),
        )
        for statement in policy["Statement"]
        for action in statement["Action"]
    }
    assert len(actions) > 20
    assert actions - allowed == FREE | OF_THE_STAND_INS


def test_a_canary_that_no_one_takes_from_the_queue_fails_and_is_not_lost(pipeline: Target) -> None:
    client = pipeline.client("lambda")
    [mapping] = client.list_event_source_mappings()["EventSourceMappings"]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        found = check(pipeline, check_canary, may_send_canary=True, wait_seconds=5)
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert found["canary: MQTT"].status == "pass"
    assert found["canary: batch"].status == "fail"
    assert "1 in the queue" in found["canary: batch"].finding
    assert account(pipeline).verdict.status == "balanced"


def test_a_probe_without_its_policy_is_refused(pipeline: Target) -> None:
    pipeline.outputs["DevicePolicyName"]
    iot = pipeline.client("iot")
    name = iot.create_policy(
        policyName="nothing",
        policyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
    )["policyName"]
    fresh = local_target(pipeline.state, pipeline.stack, pipeline.local)
    fresh.__dict__["outputs"] = {**pipeline.outputs, "DevicePolicyName": name}
    examination = Examination(
        target=fresh,
        load_settings=lambda: pytest.fail("not needed"),
        explain=message_of,
        may_send_canary=True,
    )
    [found] = run_sections(examination, (Section("canary", check_canary),))
    assert found.status == "fail"
    assert "refused end-to-end-probe" in found.finding
    assert iot.list_certificates()["certificates"] == []


def test_a_role_that_may_more_or_less_than_it_should_fails(pipeline: Target) -> None:
    iam, formation = pipeline.client("iam"), pipeline.client("cloudformation")
    [resource] = formation.describe_stack_resources(
        StackName=pipeline.stack, LogicalResourceId="ValidateRole"
    )["StackResources"]
    role = resource["PhysicalResourceId"]
    more = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [more]})
    iam.put_role_policy(RoleName=role, PolicyName="by-hand", PolicyDocument=document)
    found = check(pipeline, check_roles)
    iam.delete_role_policy(RoleName=role, PolicyName="by-hand")
    refused = found["functions' roles: refused"]
    assert refused.status == "fail"
    assert "validate: s3:GetObject on raw/a" in refused.finding
    assert found["functions' roles: allowed"].status == "pass"

    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    kept = {n: iam.get_role_policy(RoleName=role, PolicyName=n)["PolicyDocument"] for n in names}
    for name in names:
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    found = check(pipeline, check_roles)
    for name, policy in kept.items():
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
    assert found["functions' roles: refused"].status == "pass"
    allowed = found["functions' roles: allowed"]
    assert allowed.finding == "not allowed, and needed: validate: s3:GetObject on reports/a"


def test_a_function_of_another_python_than_its_layers_fails(pipeline: Target) -> None:
    client, name = pipeline.client("lambda"), pipeline.outputs["LoadFunctionName"]
    runtime = client.get_function_configuration(FunctionName=name)["Runtime"]
    client.update_function_configuration(FunctionName=name, Runtime="python3.13")
    found = check(pipeline, check_deployed_functions)["deployed functions"]
    client.update_function_configuration(FunctionName=name, Runtime=runtime)
    assert found.status == "fail"
    assert f"load runs python3.13 on x86_64, its layer {pipeline.stack}-" in found.finding


def test_a_login_that_the_database_refuses_fails(pipeline: Target) -> None:
    secrets, arn = pipeline.client("secretsmanager"), pipeline.outputs["LoaderSecretArn"]
    before = secrets.get_secret_value(SecretId=arn)["SecretString"]
    wrong = json.dumps({**json.loads(before), "password": "wrong"})
    secrets.put_secret_value(SecretId=arn, SecretString=wrong)
    found = check(pipeline, check_login)["database login"]
    secrets.put_secret_value(SecretId=arn, SecretString=before)
    assert found.status == "fail"
    assert "wrong" not in found.finding
    assert check(pipeline, check_login)["database login"].status == "pass"


def test_a_table_that_the_loader_may_not_fill_fails(pipeline: Target) -> None:
    import psycopg2

    assert pipeline.local is not None
    database = pipeline.local.database
    owner = {
        **pipeline.database_settings(),
        "user": database.owner,
        "password": Path(database.owner_password_file).read_text().strip(),
    }
    with closing(psycopg2.connect(**owner)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        login = pipeline.database_settings()["user"]
        cursor.execute(f'REVOKE INSERT ON telemetry.fleet_readings FROM "{login}"')
        found = check(pipeline, check_login)["database login"]
        cursor.execute(f'GRANT INSERT ON telemetry.fleet_readings TO "{login}"')
    assert found.status == "fail"
    assert "may not insert" in found.finding


def test_an_alarm_whose_actions_were_switched_off_fails(pipeline: Target) -> None:
    client = pipeline.client("cloudwatch")
    name = f"{pipeline.stack}-executions-failed"
    client.disable_alarm_actions(AlarmNames=[name])
    found = check(pipeline, check_alarm_route)
    client.enable_alarm_actions(AlarmNames=[name])
    assert found["alarms: actions"].status == "fail"
    assert found["alarms: actions"].finding == "executions-failed notify no topic"


def test_before_a_deployment_the_pipeline_is_not_checked(pipeline: Target) -> None:
    other = local_target(pipeline.state, "not-yet", pipeline.local)
    result = run(other, "--json", "--read-only")
    assert result.exit_code == 0, result.output
    found = {one["name"]: one for one in json.loads(result.stdout)}
    assert found["change set"]["status"] == "not checked"
    assert found["pipeline"]["finding"] == "there is no stack not-yet yet"
    assert "canary" not in found


def test_settings_that_can_not_be_deployed_fail_with_exit_status_1(
    pipeline: Target, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("name = 3")
    result = run(pipeline, "--read-only", "--contract", str(broken))
    assert result.exit_code == 1
    [line] = [one for one in result.stdout.splitlines() if one.startswith("fail")]
    assert line.startswith("fail         layers: ")
    assert "broken.toml" in result.stdout
