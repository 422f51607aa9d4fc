"""What a tool asks for is printed; the password only when it is asked for."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from etl.cli import connect
from etl.cli.main import app

SETTINGS = {
    "host": "db.example", "port": "5432", "dbname": "telemetry", "sslmode": "verify-full",
    "sslrootcert": "/ca.pem",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _stack(monkeypatch: pytest.MonkeyPatch) -> None:
    target = SimpleNamespace(
        stack="telemetry",
        outputs={"AnalystSecretArn": "arn:aws:secretsmanager:eu-west-1:1:secret:analyst"},
        database_settings=lambda role: {**SETTINGS, "user": f"x_{role}", "password": "s3cret"},
    )
    monkeypatch.setattr(connect, "target_of", lambda *_: target)


def run(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["connect", "login", *arguments])
    assert done.exit_code == status, done.output
    return done.output


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_password_is_printed_on_request_only(form: list[str]) -> None:
    assert "s3cret" not in run(*form)
    assert "s3cret" in run(*form, "--password")


def test_the_login_is_the_analysts_with_all_that_a_tool_asks_for() -> None:
    assert json.loads(run("--json")) == {**SETTINGS, "user": "x_analyst"}
    text = run()
    for value in (*SETTINGS.values(), "x_analyst", "secret:analyst"):
        assert value in text


def test_a_role_that_the_stack_has_not_is_refused() -> None:
    assert "no login for the role loader" in run("--as", "loader", status=1)
    assert "not a role" in run("--as", "owner", status=2)
