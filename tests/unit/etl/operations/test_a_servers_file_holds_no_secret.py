"""What is exported for pgAdmin names the server and how to verify it, and no password."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from etl.operations.pgadmin_servers import Server, password_command, servers_file

PASSWORD = "-".join(("never", "written"))
SETTINGS = {
    "host": "db.example.eu-west-1.rds.amazonaws.com",
    "port": "5432",
    "dbname": "telemetry",
    "user": "telemetry_loader",
    "password": PASSWORD,
    "sslmode": "verify-full",
    "sslrootcert": "ca.pem",
}
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:telemetry/loader-AbCdEf"


def test_the_password_is_left_out() -> None:
    server = Server.of("telemetry", SETTINGS)
    assert PASSWORD not in json.dumps(servers_file([server]))
    assert PASSWORD not in repr(server)


def test_the_server_is_verified_by_its_full_name() -> None:
    entry = Server.of("telemetry", SETTINGS).entry()
    assert (entry["Host"], entry["Port"]) == (SETTINGS["host"], 5432)
    assert entry["ConnectionParameters"]["sslmode"] == "verify-full"
    assert Path(entry["ConnectionParameters"]["sslrootcert"]).is_absolute()


def test_through_a_tunnel_the_certificate_is_still_that_of_the_server() -> None:
    entry = Server.of("telemetry", SETTINGS, tunnel_port=6543).entry()
    assert entry["Host"] == SETTINGS["host"]
    assert entry["Port"] == 6543
    assert entry["ConnectionParameters"]["hostaddr"] == "127.0.0.1"
    assert entry["ConnectionParameters"]["sslmode"] == "verify-full"


@pytest.mark.parametrize("password", ["plain", 'it\'s "quoted" $HOME \\ `x`'])
def test_the_command_takes_the_password_alone_out_of_the_secret(
    tmp_path: Path, password: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"username": "u", "password": password}))
    fake = tmp_path / "aws"
    fake.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncat {secret}\n')
    fake.chmod(0o755)
    command = password_command(ARN, "eu-west-1", "my profile")
    shown = subprocess.run(
        f"PATH={tmp_path}:$PATH; {command}", shell=True, capture_output=True, text=True, check=True
    ).stdout
    assert shown == f"{password}\n"
    asked = (tmp_path / "asked").read_text()
    assert f"--secret-id {ARN}" in asked
    assert "--profile my profile --region eu-west-1" in asked


def test_only_what_was_named_is_said_to_aws() -> None:
    assert shlex.split(password_command(ARN, None, None))[:3] == [
        "aws",
        "secretsmanager",
        "get-secret-value",
    ]
