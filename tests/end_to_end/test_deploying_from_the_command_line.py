"""etl plan, deploy, outputs, destroy against the stand-ins: a pipeline's life, and two side by side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.deployment.artifact_bucket import artifact_bucket_name
from etl.deployment.laptop import local_target
from etl.operations.reconciliation import reconcile
from local.database import ensure_database
from local.stack import start, stop
from tests.fixtures.local import state_folder
from tests.permissions.deployer import DeployerCall, denied, deployers_policies, world_of

pytestmark = pytest.mark.timeout(900)

FLEET = Path("contracts/fleet.toml").absolute()
DEPLOYERS = ("plan", "deploy", "destroy")
"""Commands whose calls are judged."""
RUNNING: list[str] = []
"""The words of the command that is running, if one is."""
OF_THE_STAND_INS = {("secretsmanager", "CreateSecret"), ("secretsmanager", "PutSecretValue")}
"""The laptop writes its own database's login."""
COLUMN = '\n[columns.co2_ppm]\nfrom = "co2"\ntype = "integer"\nunit = "ppm"\n'


@dataclass(frozen=True)
class Machine:
    """This machine with nothing but bare stand-ins on it."""

    state: Path
    folder: Path

    def etl(self, *words: str, stack: str = "plant", answer: str | None = None) -> Any:
        given = ["--state", str(self.state), "--stack", stack, *words]
        RUNNING[:] = words
        result = CliRunner().invoke(app, given, input=answer)
        RUNNING.clear()
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    def plan(self, *words: str, stack: str = "plant") -> dict[str, Any]:
        result = self.etl("plan", "--json", *words, stack=stack)
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def start(self, *words: str, stack: str) -> subprocess.Popen[str]:
        given = ["--state", str(self.state), "--stack", stack, *words]
        return subprocess.Popen(
            [sys.executable, "-m", "etl.cli.main", *given],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "ETL_SETTINGS": ""},
        )

    def target(self, stack: str = "plant") -> Target:
        return local_target(self.state, stack, start(self.state))

    def contract(self, name: str, more: str) -> Path:
        path = self.folder / name
        path.write_text(FLEET.read_text(encoding="utf-8") + more, encoding="utf-8")
        return path


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with state_folder() as state:
        try:
            start(state, die_with_parent=True)
            yield Machine(state, tmp_path_factory.mktemp("contracts"))
        finally:
            stop(state)


def columns(target: Target) -> list[str]:
    with closing(target.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_name = 'fleet_readings' ORDER BY ordinal_position"
        )
        return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[DeployerCall]:
    """Every call that commands make to AWS, with what they give."""
    made: list[DeployerCall] = []

    class Recording(boto3.Session):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.events.register("before-parameter-build", self.record)

        def record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
            service = model.service_model.service_name
            call = DeployerCall(service, model.name, dict(params))
            ours = RUNNING[:1] and RUNNING[0] in DEPLOYERS
            if ours and (service, model.name) not in OF_THE_STAND_INS:
                made.append(call)

    monkeypatch.setattr(boto3, "Session", Recording)
    return made


def test_a_pipeline_is_planned_created_grown_by_a_column_and_destroyed(
    machine: Machine, calls: list[DeployerCall]
) -> None:
    first = machine.plan()
    assert first["changes"]
    assert first["stacks"][0]["status"] is None
    assert machine.etl("outputs").exit_code == 1  # a plan leaves nothing behind

    created = machine.etl("deploy", answer="y\n")
    assert created.exit_code == 0, created.output
    assert "✓ TelemetryQueue" in created.output
    assert "schema: CREATE TABLE" in created.output
    assert machine.etl("plan", "--detailed-exit-code").exit_code == 0
    url = machine.etl("outputs", "QueueUrl").stdout
    assert url == json.loads(machine.etl("outputs", "--json").stdout)["QueueUrl"] + "\n"

    wider = str(machine.contract("wider.toml", COLUMN))
    planned = machine.plan("--contract", wider)
    (change,) = planned["contract"]["changes"]
    assert (change["what"], change["key"]) == ("added", "columns.co2_ppm")
    assert planned["contract"]["statements"][0].endswith('"co2_ppm" integer')
    assert {one["key"].split("/")[0] for one in planned["uploads"]} == {"functions"}
    assert planned["losses"] == []
    assert "co2_ppm" not in columns(machine.target())

    grown = machine.etl("deploy", "--contract", wider, "--yes")
    assert grown.exit_code == 0, grown.output
    assert columns(machine.target())[-1] == "co2_ppm"
    world = world_of(machine.target())

    assert machine.etl("destroy", answer="plant-b\n").exit_code == 1
    assert machine.etl("status").exit_code == 0
    gone = machine.etl("destroy", "--with-data", answer="plant\n")
    assert gone.exit_code == 0, gone.output
    policies = deployers_policies(world)
    assert denied(policies, calls, world) == []
    asked = [call for call in calls if call.service == "s3" and call.operation != "CreateBucket"]
    assert {"HeadBucket", "PutObject", "GetObject", "DeleteObjects"} <= {c.operation for c in asked}
    strangers = [c for c in asked if c.given.get("ExpectedBucketOwner") != world.account]
    assert strangers == []
    # Each statement that these commands used is needed, and other stacks are out of reach.
    for sid in ("Stacks", "ContractKey", "RetireKey", "Contract", "ArtifactBucket", "Migrate"):
        assert denied(policies.replacing(sid), calls, world), sid
    assert denied(deployers_policies(replace(world, stack="other")), calls, world)
    assert "PostgreSQL: database plant" in gone.output
    assert machine.etl("status").exit_code == 1
    assert machine.etl("destroy", "--yes").exit_code == 0  # nothing is there: nothing to do


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (["--set", "run.triger=queue"], "did you mean run.trigger?"),
        (["--set", "run.max_concurrency=many"], "expected a whole number"),
        (["--settings", "nowhere.toml"], "etl settings init"),
    ],
)
def test_a_mistake_in_the_settings_is_reported_before_anything_happens(machine, flags, what):
    result = machine.etl("deploy", *flags, "--yes")
    assert result.exit_code == 1
    assert what in result.output


def test_ctrl_c_says_that_cloudformation_goes_on_and_how_to_look_again(machine, monkeypatch):
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("etl.deployment.executor.DeploymentExecutor.execute", interrupted)
    result = machine.etl("deploy", "--yes", stack="left-out")
    assert result.exit_code == 130
    assert "CloudFormation continues" in result.output
    assert "`etl deploy` waits for the operation in progress on stack left-out" in result.output


def test_a_platform_is_left_out_here_and_that_is_said(machine: Machine) -> None:
    result = machine.etl("plan", "--set", "platform.proxy=true", stack="left-out")
    assert result.exit_code == 0
    assert "the emulator can't host" in result.output
    assert "left-out-platform" not in result.output


@pytest.mark.slow
def test_data_is_kept_unless_asked(machine: Machine) -> None:
    assert machine.etl("deploy", "--yes", stack="keeps").exit_code == 0
    target = machine.target("keeps")
    bucket = target.bucket
    target.client("s3").put_object(Bucket=bucket, Key="raw/x", Body=b"x")
    stopped = machine.etl("destroy", "--yes", stack="keeps")
    assert stopped.exit_code == 1
    assert f"objects in bucket {bucket}" in stopped.output
    kept = machine.etl("deploy", "--yes", "--set", "operation.retain_data=true", stack="keeps")
    assert kept.exit_code == 0, kept.output
    gone = machine.etl("destroy", "--yes", stack="keeps")
    assert gone.exit_code == 0, gone.output
    assert f"bucket {bucket}, with every object in it" in gone.output.partition("to keep")[2]
    body = machine.target("keeps").client("s3").get_object(Bucket=bucket, Key="raw/x")["Body"]
    assert body.read() == b"x"


@pytest.mark.slow
def test_a_protected_stack_is_deleted_once_that_is_confirmed(
    machine: Machine, calls: list[DeployerCall]
) -> None:
    protected = ("--set", "operation.termination_protection=true")
    policy = ("--set", "operation.stack_policy=true")
    done = machine.etl("deploy", "--yes", *protected, *policy, stack="safe")
    assert done.exit_code == 0, done.output
    assert "stack safe: protected against deletion" in done.output
    world = world_of(machine.target("safe"))
    refused = machine.etl("destroy", "--with-data", answer="y\nother\n", stack="safe")
    assert refused.exit_code == 1
    assert "nothing was deleted" in refused.output
    gone = machine.etl("destroy", "--with-data", answer="y\nsafe\n", stack="safe")
    assert gone.exit_code == 0, gone.output
    made = {call.operation for call in calls}
    assert {"SetStackPolicy", "GetStackPolicy", "UpdateTerminationProtection"} <= made
    assert denied(deployers_policies(world), calls, world) == []


@pytest.mark.slow
def test_a_loss_of_data_is_reported_in_the_plan_and_by_the_exit_status(machine: Machine) -> None:
    words = ("--set", "run.trigger=queue")
    assert machine.etl("deploy", "--yes", *words, stack="loses").exit_code == 0
    formation = machine.target("loses").client("cloudformation")
    template = formation.get_template(StackName="loses")["TemplateBody"]
    deployed = template if isinstance(template, dict) else json.loads(template)
    # A queue that the code to come doesn't know: deploying removes it, and what is in it.
    deployed["Resources"]["SpareQueue"] = {"Type": "AWS::SQS::Queue"}
    described = formation.describe_stacks(StackName="loses")["Stacks"][0]
    s3, bucket = machine.target("loses").client("s3"), machine.target("loses").bucket
    s3.put_object(Bucket=bucket, Key="contract/t.json", Body=json.dumps(deployed).encode())
    formation.update_stack(
        StackName="loses",
        TemplateURL=f"{s3.meta.endpoint_url}/{bucket}/contract/t.json",
        Parameters=described["Parameters"],
        Capabilities=["CAPABILITY_IAM"],
    )
    formation.get_waiter("stack_update_complete").wait(
        StackName="loses", WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    result = machine.etl("plan", *words, "--detailed-exit-code", stack="loses")
    assert result.exit_code == 11
    assert "SpareQueue SQS::Queue removed, and with it the messages in it" in result.output
    protected = ("--set", "operation.stack_policy=true")
    refused = machine.etl("deploy", "--yes", *words, *protected, stack="loses")
    assert refused.exit_code == 1
    assert "SpareQueue is deleted" in refused.output
    assert "operation.stack_policy=false" in refused.output


@pytest.mark.slow
def test_two_pipelines_are_deployed_at_once_and_keep_apart(machine: Machine) -> None:
    stacks = ("north", "south")
    text = FLEET.read_text(encoding="utf-8")
    for stack in stacks:
        own = text.replace("telemetry/fleet/+", f"telemetry/{stack}/+")
        (machine.folder / f"{stack}.toml").write_text(own, encoding="utf-8")
    deploying = [
        machine.start(
            "deploy", "--yes", "--contract", str(machine.folder / f"{stack}.toml"), stack=stack
        )
        for stack in stacks
    ]
    for process in deploying:
        printed, _ = process.communicate(timeout=600)
        assert process.returncode == 0, printed
    north, south = (machine.target(stack) for stack in stacks)
    assert north.parameters["DatabaseName"] != south.parameters["DatabaseName"]
    assert north.bucket != south.bucket
    for stack, seconds in (("north", "2"), ("south", "1")):
        sent = machine.etl(
            "simulate", "--duration", seconds, "--devices", "2", "--mess", "0", stack=stack
        )
        assert sent.exit_code == 0, sent.output
    accounts = [reconcile(target, 240.0) for target in (north, south)]
    assert [account.problems() for account in accounts] == [[], []]
    assert accounts[0].rows != accounts[1].rows
    assert machine.etl("destroy", "--yes", "--with-data", stack="south").exit_code == 0
    assert reconcile(north, 0.0).problems() == []


def test_an_exported_stack_applied_step_by_step_is_what_a_deployment_would_make(
    machine: Machine, tmp_path: Path
) -> None:
    """The steps of the export's README, by AWS's own calls; a plan then finds no difference."""
    target = machine.target("exported")
    account = target.client("sts").get_caller_identity()["Account"]
    bucket = artifact_bucket_name("exported", account, target.session.region_name)
    folder = tmp_path / "out"
    done = machine.etl(
        "template", "export", str(folder), "--bucket", bucket, "--local", stack="exported"
    )
    assert done.exit_code == 0, done.output
    s3, formation = target.client("s3"), target.client("cloudformation")
    s3.create_bucket(Bucket=bucket)
    upload_folder(s3, folder / "artifacts", bucket)
    s3.upload_file(str(folder / "core.json"), bucket, "core.json")
    given = json.loads((folder / "core.parameters.json").read_text())
    ensure_database(target.local.database, given["Parameters"]["DatabaseName"])
    formation.create_stack(
        StackName="exported",
        TemplateURL=f"{s3.meta.endpoint_url}/{bucket}/core.json",
        Parameters=[
            {"ParameterKey": k, "ParameterValue": v} for k, v in given["Parameters"].items()
        ],
        Tags=[{"Key": k, "Value": v} for k, v in given["Tags"].items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    formation.get_waiter("stack_create_complete").wait(StackName="exported")
    answer = target.client("lambda").invoke(FunctionName="exported-migrate", Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
    upload_folder(s3, folder / "data", target.outputs["DataBucketName"])

    planned = machine.plan(stack="exported")
    assert planned["stacks"][0]["status"] == "CREATE_COMPLETE"
    assert not planned["changes"], planned
    body = formation.get_template(StackName="exported")["TemplateBody"]
    deployed = machine.etl("deploy", "--yes", stack="exported")
    assert deployed.exit_code == 0, deployed.output
    assert formation.get_template(StackName="exported")["TemplateBody"] == body


def upload_folder(s3: Any, folder: Path, bucket: str) -> None:
    for path in (one for one in folder.rglob("*") if one.is_file()):
        # As the AWS command line does, and as a deployment verifies it.
        s3.upload_file(
            str(path),
            bucket,
            path.relative_to(folder).as_posix(),
            ExtraArgs={"ChecksumAlgorithm": "SHA256"},
        )
