"""The report for an issue holds no account, person, machine or secret."""

from __future__ import annotations

import json
import socket

import pytest

from etl.doctor.check_result import failed, passed
from etl.doctor.report import redact, report

ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/jane.doe",
         "arn:aws:sts::<account>:assumed-role/deployer/<session>"),
        (f"arn:aws:iam::{ACCOUNT}:user/people/jane is not allowed",
         "arn:aws:iam::<account>:user/<user> is not allowed"),
        (f"s3:GetObject on arn:aws:s3:::plant-artifacts-{ACCOUNT}-eu-central-1/a",
         "s3:GetObject on arn:aws:s3:::plant-artifacts-<account>-eu-central-1/a"),
        ("key AKIAIOSFODNN7EXAMPLE expired", "key <key id> expired"),
        ('{"password": "hunter2"} password=hunter2', '{"password": <secret>} password=<secret>'),
        ("plant.abcdefg.eu-central-1.rds.amazonaws.com:5432 can't be reached",
         "<host>:5432 can't be reached"),
        ("db.corp.internal offers no TLS", "<host> offers no TLS"),
        ("10.0.3.17:5432 refused; 127.0.0.1 too", "<address>:5432 refused; 127.0.0.1 too"),
        ("mail ops@example.com", "mail <email>"),
        ("arn:aws:secretsmanager:eu-central-1:123456789012:secret:Owner-AbCdEf",
         "arn:aws:secretsmanager:eu-central-1:<account>:secret:<secret>"),
    ],
)  # fmt: skip
def test_what_identifies_is_replaced(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "the functions run Python 3.13 on arm64",
        "allow the calls of `etl settings policy doctor`, then run `etl doctor` again",
        "set execution_role_arn: docs/deploy.md#permissions",
        "python/a/b.cpython-311-x86_64-linux-gnu.so is built for Python 3.11",
        "one stack, plant, contract contracts/fleet.toml",
        "iam:SimulatePrincipalPolicy for states:ValidateStateMachineDefinition",
        "valid until 2027-11-29, 14:03:22",
    ],
)
def test_what_says_what_is_wrong_stays(text: str) -> None:
    assert redact(text) == text


def test_names_that_only_this_run_knows_are_replaced_too() -> None:
    text = report(
        [
            passed("credentials", f"account {ACCOUNT} at {socket.gethostname()}"),
            failed("database", "host warehouse:5432 refused", "open the port of warehouse"),
        ],
        region="eu-central-1",
        local=False,
        names=["warehouse", ""],
    )
    assert ACCOUNT not in text
    assert "warehouse" not in text
    found = json.loads(text)
    assert (found["region"], found["target"]) == ("eu-central-1", "aws")
    assert [one["status"] for one in found["results"]] == ["pass", "fail"]
    assert found["results"][1]["finding"] == "host <name>:5432 refused"
    assert found["results"][0]["finding"] == "account <account> at <name>"
