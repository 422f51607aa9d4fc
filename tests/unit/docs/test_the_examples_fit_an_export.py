"""examples/: each file is valid in its own language, and names what an export has.

No Terraform, CDK or GitHub runs here: their files are parsed.
"""

from __future__ import annotations

import json
import py_compile
import re
import shlex
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml
from typer.main import get_command

from etl.cli.main import app
from etl.deployment.template_export import ARTIFACTS, DATA

EXAMPLES = Path("examples")
TERRAFORM = EXAMPLES / "terraform/main.tf"
CDK = EXAMPLES / "cdk/app.py"
WORKFLOW = EXAMPLES / "github-actions/pipeline.yml"
EXPORTED = re.compile(r"core(?:\.\w+)*\.json")


def test_the_terraform_example_is_valid_and_reads_the_outputs_that_there_are(templates):
    text = TERRAFORM.read_text(encoding="utf-8")
    parsed: dict[str, Any] = hcl2.loads(text)
    kinds = [kind.strip('"') for one in parsed["resource"] for kind in one]
    assert "aws_cloudformation_stack" in kinds
    outputs = re.findall(r'outputs\["(\w+)"\]', text)
    assert outputs
    assert set(outputs) <= templates["core"]["Outputs"].keys()
    assert set(EXPORTED.findall(text)) == {"core.json", "core.parameters.json"}
    assert f"/{ARTIFACTS}" in text
    assert f"/{DATA}" in text
    declared = {name.strip('"') for one in parsed["variable"] for name in one}
    assert declared == set(re.findall(r"var\.(\w+)", text))


def test_the_cdk_example_compiles(tmp_path: Path):
    py_compile.compile(str(CDK), cfile=str(tmp_path / "app.pyc"), doraise=True)
    assert set(EXPORTED.findall(CDK.read_text(encoding="utf-8"))) == {
        "core.json",
        "core.parameters.json",
    }


def test_the_workflow_plans_pull_requests_and_deploys_the_main_branch():
    # YAML 1.1 reads the key `on` as true.
    parsed = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert parsed[True] == {"pull_request": None, "push": {"branches": ["main"]}}
    assert parsed["permissions"] == {"contents": "read", "id-token": "write"}
    jobs = parsed["jobs"]
    assert jobs["plan"]["if"] == "github.event_name == 'pull_request'"
    assert jobs["deploy"]["if"] == "github.event_name == 'push'"
    assert not any("deploy" in run for run in runs(jobs["plan"]))
    assert runs(jobs["deploy"])[-1] == ".venv/bin/etl deploy --yes"
    roles = {
        name: step["with"]["role-to-assume"]
        for name, job in jobs.items()
        for step in job["steps"]
        if "configure-aws-credentials" in step.get("uses", "")
    }
    assert len(set(roles.values())) == 2


@pytest.mark.parametrize("job", ["plan", "deploy"])
def test_the_workflows_commands_exist(job: str):
    made = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"][job]
    commands = [run for run in runs(made) if run.startswith(".venv/bin/etl ")]
    assert len(commands) >= 2
    for run in commands:
        words = shlex.split(run.partition("||")[0])[1:]
        command: Any = get_command(app)
        while words and not words[0].startswith("-"):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(words) <= known, run


def runs(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_plans_role_is_refused_what_changes_something():
    """The statement of docs/deploy.md denies actions that the deployer's policy allows."""
    from etl.deployment.permissions import deployer_policy

    page = Path("docs/deploy.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```json\n(\{\s*\"Version\".*?)```", page, re.DOTALL)
    (everywhere, in_bucket) = json.loads(text)["Statement"]
    assert {everywhere["Effect"], in_bucket["Effect"]} == {"Deny"}
    allowed = {
        action
        for statement in deployer_policy("telemetry", "1", "eu-central-1")["Statement"]
        for action in statement["Action"]
    }
    assert set(everywhere["Action"]) <= allowed
    # What is left creates and deletes a change set, and keeps its template meanwhile.
    left = {action for action in allowed - set(everywhere["Action"]) if not reads(action)}
    assert left == {
        "cloudformation:CreateChangeSet",
        "cloudformation:DeleteChangeSet",
        "s3:DeleteObject",
        "s3:PutObject",
        "kms:Decrypt",
        "kms:GenerateDataKey",
    }
    assert in_bucket["Action"] == ["s3:PutObject", "s3:DeleteObject"]
    assert all("/templates/*" in one for one in in_bucket["NotResource"])


def reads(action: str) -> bool:
    return re.match(r"(Describe|Get|List)", action.partition(":")[2]) is not None
