"""Each check of ``make audit`` finds what it is there for."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from audit.dependencies import check_pins, is_licence_accepted, yanked_releases
from audit.permissions import statements

AUDIT_PYTHON = Path(".audit-venv/bin/python")
QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {}}
ENCRYPTED = {"Type": "AWS::SQS::Queue", "Properties": {"KmsMasterKeyId": "alias/own"}}


def in_audit_environment(code: str, *arguments: Path) -> Any:
    """The value of an expression in the environment of the audit."""
    program = (
        "import json, sys; from dataclasses import asdict; from pathlib import Path; "
        "from audit import conditions, infrastructure, permissions, policy_lint, secrets; "
        "files = [Path(one) for one in sys.argv[1:]]; "
        f"print(json.dumps({code}))"
    )
    command = [str(AUDIT_PYTHON), "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def problems(tmp_path: Path, check: str, **resources: dict[str, Any]) -> list[str]:
    file = tmp_path / "core.json"
    file.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}))
    found: list[str] = in_audit_environment(f"{check}(files).problems", file)
    return found


def accepting(resource: dict[str, Any], reason: str) -> dict[str, Any]:
    skip = [{"id": "CKV_AWS_27", "comment": reason}]
    return {**resource, "Metadata": {"checkov": {"skip": skip}}}


CHECKOV = "infrastructure.check_with_checkov"


@pytest.mark.slow
def test_a_queue_without_encryption_is_a_finding(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, CHECKOV, Bare=QUEUE)
    assert "AWS::SQS::Queue.Bare fails CKV_AWS_27" in problem


@pytest.mark.slow
def test_a_finding_is_accepted_with_a_reason_only(tmp_path: Path) -> None:
    reason = "It carries nothing that anybody could not read anyway."
    assert problems(tmp_path, CHECKOV, Bare=accepting(QUEUE, reason)) == []
    (problem,) = problems(tmp_path, CHECKOV, Bare=accepting(QUEUE, "because"))
    assert "explain why" in problem


@pytest.mark.slow
def test_an_acceptance_that_accepts_nothing_goes(tmp_path: Path) -> None:
    reason = "It carries nothing that anybody could not read anyway."
    (problem,) = problems(tmp_path, CHECKOV, Fine=accepting(ENCRYPTED, reason))
    assert "remove its acceptance" in problem


@pytest.mark.slow
def test_a_mistake_in_a_template_is_found_by_cfn_lint(tmp_path: Path) -> None:
    wrong = {"Type": "AWS::SQS::Queue", "Properties": {"Encrypted": True}}
    problem = problems(tmp_path, "infrastructure.check_with_cfn_lint", Wrong=wrong)
    assert "Encrypted" in " ".join(problem)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("action", "resource", "problem"),
    [
        ("s3:GetObject", "*", "can be narrowed"),
        ("s3:*", "arn:aws:s3:::data/*", "is a wildcard"),
        ("s3:GetObjekt", "arn:aws:s3:::data/*", "AWS knows no action"),
    ],
)
def test_a_permission_that_is_too_wide_or_unknown(
    tmp_path: Path, action: str, resource: str, problem: str
) -> None:
    own = {"Statement": [{"Effect": "Allow", "Action": [action], "Resource": resource}]}
    policies = [{"PolicyName": "Own", "PolicyDocument": own}]
    role = {"Type": "AWS::IAM::Role", "Properties": {"Policies": policies}}
    (found,) = problems(tmp_path, "permissions.check_permissions", Role=role)
    assert problem in found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("action", "key", "carried"),
    [
        ("kms:Decrypt", "kms:EncryptionContext:aws:s3:arn", True),
        ("kms:DescribeKey", "kms:EncryptionContext:aws:s3:arn", False),
        ("kms:DescribeKey", "aws:ResourceTag/telemetry:stack", True),
        ("iam:PassRole", "iam:PassedToService", True),
        ("s3:GetObject", "s3:prefix", False),
        ("s3:GetObject", "aws:SourceArn", False),
        ("sns:Publish", "lambda:SourceFunctionArn", False),
    ],
)
def test_a_condition_that_no_request_meets(
    tmp_path: Path, action: str, key: str, carried: bool
) -> None:
    own = {
        "Effect": "Allow",
        "Action": [action],
        "Resource": "*",
        "Condition": {"StringEquals": {key: "x"}},
    }
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({"Statement": [own]}))
    found = in_audit_environment("conditions.check_conditions([], files).problems", file)
    assert (found == []) is carried


@pytest.mark.slow
def test_a_key_of_aws_in_a_file_or_in_a_commit_is_seen(tmp_path: Path) -> None:
    key = "AKIA" + "Q3EGJ7XV2ZPLMN5T"
    file = tmp_path / "settings.py"
    file.write_text(f'access = "{key}"\n')
    seen = in_audit_environment("list(secrets.scan([str(f) for f in files]).values())", file)
    assert "AWS Access Key" in [one["kind"] for one in seen]
    guesses = in_audit_environment("[one['name'] for one in secrets.detectors(heuristic=False)]")
    assert {"AWSKeyDetector", "PrivateKeyDetector", "GitHubTokenDetector"} <= set(guesses)


def test_a_requirement_without_a_hash_or_a_version_is_named(tmp_path: Path) -> None:
    file = tmp_path / "run.txt"
    file.write_text(
        "# autogenerated\nattrs==25.1.0 \\\n    --hash=sha256:00\n    # via x\n"
        "boto3>=1.40 \\\n    --hash=sha256:00\nrich==14.0.0\n"
    )
    result = check_pins([file])
    assert result.checked.startswith("3 pins")
    assert [problem.split("'")[1].split()[0] for problem in result.problems] == [
        "boto3>=1.40",
        "rich==14.0.0",
    ]


def test_a_yanked_release_is_found_in_the_warning_of_pip() -> None:
    warning = (
        "WARNING: The candidate selected for download or install is a yanked version: 'attrs' "
        "candidate (version 21.1.0 at https://example.org/attrs-21.1.0.whl)\n"
        "Reason for being yanked: Installable but not importable on Python 3.4."
    )
    (problem,) = yanked_releases(warning)
    assert "'attrs' candidate (version 21.1.0" in problem


@pytest.mark.parametrize(
    ("licence", "fine"),
    [
        ("MIT License", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("MPL-2.0 AND MIT", True),
        ("GNU General Public License v3 (GPLv3)", False),
        ("MIT AND AGPL-3.0-only", False),
        ("UNKNOWN", False),
    ],
)
def test_licences_that_are_fine(licence: str, fine: bool) -> None:
    assert is_licence_accepted({"Name": "some", "License": licence}) is fine


def test_statements_are_found_under_conditions_too() -> None:
    inner = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "x"}}
    role = {
        "AssumeRolePolicyDocument": {"Statement": [trust]},
        "Policies": [{"Fn::If": ["HasVpc", {"PolicyDocument": {"Statement": [inner]}}, None]}],
    }
    assert list(statements(role)) == [inner]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ({"Action": ["sns:Unsubscribe"], "Resource": "arn:aws:sns:*:*:topic"}, "sns:Unsubscribe"),
        ({"Action": ["s3:GetObjekt"], "Resource": "arn:aws:s3:::b/*"}, "s3:GetObjekt"),
        ({"Action": ["s3:GetObject"], "Resource": "arn:aws:sqs:*:*:q"}, "s3:GetObject"),
        ({"Action": ["s3:GetObject"]}, "MALFORMED"),
    ],
)
def test_parliament_reads_a_policy_against_what_iam_knows(
    tmp_path: Path, statement: dict[str, Any], problem: str
) -> None:
    file = tmp_path / "own.json"
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
    file.write_text(json.dumps(document))
    found = in_audit_environment("policy_lint.check_with_parliament(files).problems", file)
    assert problem in next(one for one in found if one.startswith("own: "))
