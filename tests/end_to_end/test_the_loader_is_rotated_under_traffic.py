"""The loader's login is rotated while devices publish: no batch fails, and nothing is lost."""

from __future__ import annotations

import json
from contextlib import closing

import psycopg2
import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.operations.loader_rotation import RotationError, rotate_loader
from tests.end_to_end.conftest import account
from tests.end_to_end.test_a_deployment_under_traffic import Traffic
from tests.end_to_end.test_an_outage_of_the_database_needs_no_operator import all_batches

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

CONTRACT = "contracts/fleet.toml"


def login(target: Target) -> tuple[str, str]:
    secret = target.outputs["LoaderSecretArn"]
    answer = target.client("secretsmanager").get_secret_value(SecretId=secret)
    content = json.loads(answer["SecretString"])
    return content["username"], content["password"]


def may_log_in(target: Target, user: tuple[str, str]) -> bool:
    assert target.local is not None
    database = target.local.database
    try:
        connection = psycopg2.connect(
            host=database.host,
            port=database.port,
            dbname=target.parameters["DatabaseName"],
            user=user[0],
            password=user[1],
        )
    except psycopg2.OperationalError:
        return False
    with closing(connection):
        return True


def rotate(target: Target) -> str:
    words = ["--state", str(target.state), "--stack", target.stack, "database", "rotate", "--yes"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return result.output


def test_each_rotation_leaves_the_login_of_before_valid_and_no_load_is_refused(
    pipeline: Target,
) -> None:
    first = login(pipeline)
    traffic = Traffic(pipeline)
    with traffic.running():
        traffic.pass_by(pipeline, deployed=True)
        rotate(pipeline)
        second = login(pipeline)
        assert second[0] == f"{first[0]}_2"
        assert may_log_in(pipeline, first)
        traffic.pass_by(pipeline, deployed=True)
        rotate(pipeline)
        third = login(pipeline)
        assert third[0] == first[0]
        assert not may_log_in(pipeline, first)  # its password has changed
        assert may_log_in(pipeline, second)
        assert may_log_in(pipeline, third)
        traffic.pass_by(pipeline, deployed=True)
    assert account(pipeline, 600).problems() == []
    outcomes = [one for batch in all_batches(pipeline) for one in batch.outcomes]
    assert {one.key.status for one in outcomes} == {"loaded"}


def test_a_rotation_that_fails_changes_nothing_in_use(
    pipeline: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner's role is refused as the loader's, by the migration."""
    assert pipeline.local is not None
    owner = pipeline.local.database.owner
    monkeypatch.setattr("etl.operations.loader_rotation.other_role", lambda _: owner)
    before = login(pipeline)
    with pytest.raises(RotationError, match="Nothing in use has changed"):
        rotate_loader(pipeline)
    assert login(pipeline) == before
    assert may_log_in(pipeline, before)
    monkeypatch.undo()
    assert "may still log in" in rotate(pipeline)
