"""What a person reads when AWS says no: what is wrong, and what to type next."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from botocore import exceptions as aws
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from etl.cli.aws_errors import message_of
from etl.cli.main import app


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateChangeSet")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (aws.UnauthorizedSSOTokenError(), "aws sso login"),
        (aws.SSOTokenLoadError(error_msg="x"), "aws sso login"),
        (aws.TokenRetrievalError(provider="sso", error_msg="expired"), "aws sso login"),
        (aws.NoCredentialsError(), "Name a profile (--profile)"),
        (aws.ProfileNotFound(profile="prod"), "aws configure list-profiles"),
        (aws.NoRegionError(), "give --region"),
        (aws.EndpointConnectionError(endpoint_url="https://x"), "Check the region's name"),
        (refused("ExpiredToken"), "no longer accepts these credentials (ExpiredToken)"),
        (refused("Throttling", "Rate exceeded"), "AWS refused CreateChangeSet"),
    ],
)
def test_each_error_is_a_sentence_with_a_way_on(error, sentence):
    assert sentence in str(message_of(error))


def test_a_missing_permission_is_named_with_who_lacks_it():
    who = "arn:aws:sts::1:assumed-role/deployer/me"
    action = "cloudformation:CreateChangeSet"
    text = message_of(
        refused("AccessDenied", f"User: {who} is not authorized to perform: {action} on x")
    )
    assert str(text).startswith(f"{who} is not allowed to call {action}: ")
    assert "docs/deploy.md" in str(text)


def test_the_profile_is_part_of_the_command_to_type():
    assert "aws sso login --profile prod`" in str(
        message_of(aws.UnauthorizedSSOTokenError(), "prod")
    )


def test_other_errors_are_not_its_business():
    assert message_of(ValueError("x")) is None


def test_an_expired_sso_session_ends_a_command_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile plant]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n"
        "region = eu-central-1\n[sso-session s]\nsso_region = eu-central-1\n"
        "sso_start_url = https://example.awsapps.com/start\n"
    )
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    result = CliRunner().invoke(app, ["--profile", "plant", "outputs"])
    assert result.exit_code == 1
    assert "aws sso login" in result.output
    assert "Traceback" not in result.output


def test_a_profile_that_is_not_there_ends_a_command_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    result = CliRunner().invoke(app, ["--profile", "nobody", "outputs"])
    assert result.exit_code == 1
    assert "nobody" in result.output
