"""The way into an account: settings file, region, credentials of the environment; boto3 is told by
AWS_ENDPOINT_URL that the account is the emulator. Only the layers are this machine's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from etl.aws.contract_objects import CONTRACT_KEY
from etl.aws.target import DATABASE_CA_KEY
from etl.cli.main import app
from etl.deployment import packaging as artifacts
from etl.deployment.protection import stack_policy
from layers import build
from layers.target import host_target
from local.stack import LocalStack, start, stop
from tests.fixtures.local import state_folder

FLEET = Path("contracts/fleet.toml").absolute()

pytestmark = pytest.mark.slow


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalStack]:
    with state_folder() as state:
        local = start(state, die_with_parent=True)
        monkeypatch.setenv("AWS_ENDPOINT_URL", local.endpoint_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", local.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", local.secret_access_key)
        monkeypatch.setenv("AWS_SESSION_TOKEN", local.session_token)
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        # boto3's own session keeps the credentials that it found first: another account's.
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

        def of_this_machine(_: Any, layers: Any, **options: Any) -> Any:
            return build.build_layers(host_target(), layers, **options)

        monkeypatch.setattr(artifacts, "build_layers", of_this_machine)
        try:
            yield local
        finally:
            stop(state)


@pytest.fixture
def settings(account: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a pipeline.toml, and no stand-ins of its own."""
    database = account.database
    login = {"username": database.owner, "password": database.owner_password}
    secret = boto3.client("secretsmanager", account.region).create_secret(
        Name="owner", SecretString=json.dumps(login)
    )
    path = tmp_path / "pipeline.toml"
    path.write_text(
        f'stack = "plant"\ncontract = "{FLEET}"\nregion = "{account.region}"\n'
        f'[database]\nhost = "{database.host}"\nport = {database.tls_port}\n'
        f'ca_file = "{database.ca_file}"\nowner_secret_arn = "{secret["ARN"]}"\n'
        '[operation]\nalert_email = "me@example.com"\n[tags]\nTeam = "sensors"\n',
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    return path


def etl(*words: str) -> Any:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def test_a_pipeline_is_deployed_found_by_other_commands_and_destroyed_but_for_its_data(
    account: LocalStack, settings: Path
) -> None:
    assert etl("plan", "--detailed-exit-code").exit_code == 10
    deployed = etl("deploy", "--yes")
    assert deployed.exit_code == 0, deployed.output
    assert f"next: etl --region {account.region} --stack plant status" in deployed.output
    assert etl("plan", "--detailed-exit-code").exit_code == 0

    outputs = json.loads(etl("outputs", "--json").stdout)
    s3 = boto3.client("s3", account.region)
    for key in (CONTRACT_KEY, DATABASE_CA_KEY):
        assert s3.get_object(Bucket=outputs["DataBucketName"], Key=key)["Body"].read()
    status = etl("--region", account.region, "--stack", "plant", "status", "--json")
    assert json.loads(status.stdout)["contract"] == "fleet"
    stack = boto3.client("cloudformation", account.region).describe_stacks(StackName="plant")
    assert {"Key": "Team", "Value": "sensors"} in stack["Stacks"][0]["Tags"]

    changed = etl("plan", "--set", "operation.alert_email=you@example.com", "--json")
    (review,) = json.loads(changed.stdout)["stacks"]
    assert [one["path"] for one in review["parameters"]] == ["AlertEmail"]
    assert any(one["id"] == "AlertSubscription" for one in review["resources"])

    _is_protected(account)
    gone = etl("destroy", "--yes", "--lift-protection")
    assert gone.exit_code == 0, gone.output
    assert s3.get_object(Bucket=outputs["DataBucketName"], Key=CONTRACT_KEY)


def _is_protected(account: LocalStack) -> None:
    """As on AWS by default; the emulator refuses to delete, and stores the stack policy."""
    formation = boto3.client("cloudformation", account.region)
    body = formation.get_stack_policy(StackName="plant")["StackPolicyBody"]
    assert json.loads(body) == json.loads(stack_policy(protects=True))
    with pytest.raises(ClientError, match="TerminationProtection is enabled"):
        formation.delete_stack(StackName="plant")

    alone = etl("destroy", "--yes")
    assert alone.exit_code == 1
    assert "update-termination-protection --no-enable-termination-protection" in alone.output
    assert "--lift-protection" in alone.output
    declined = CliRunner().invoke(app, ["destroy"], input="n\n")
    assert declined.exit_code == 1
    assert "Lift the protection?" in declined.output
    described = formation.describe_stacks(StackName="plant")["Stacks"][0]
    assert described["EnableTerminationProtection"]


def test_local_means_the_stand_ins_whatever_the_file_says(settings: Path) -> None:
    result = etl("--state", str(settings.parent / "none"), "plan", "--local")
    assert result.exit_code == 1
    assert "etl up --bare" in result.output
