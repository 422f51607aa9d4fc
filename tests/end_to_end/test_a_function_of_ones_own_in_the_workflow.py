"""A Lambda function of the user's own between Validate and Load: it sees every batch; where it
fails for a moment it is retried, and where it fails for good its batch is one that failed."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etl.aws.target import Target
from etl.deployment.kept_customization import KeptCustomization
from etl.deployment.laptop import local_target, start_stand_ins
from etl.operations.batches import batches_of
from etl.operations.executions import Execution, follow
from etl.operations.publishing import publish_file
from etl.operations.reconciliation import reconcile
from etl.operations.replaying import load_again
from etl.workflow import WorkflowEditor, build_workflow
from telemetry.layout import outcome_key
from tests.end_to_end.by_schedule import (
    PATIENCE_SECONDS,
    await_messages,
    drain,
    raw_keys,
    rows,
    up,
)
from tests.unit.workflow.test_the_definition import children

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STACK = "own"
CONTRACT = """\
name = "climate"
topic = "site/{device}/climate"

[table]
name = "climate"
key = ["device_id", "ts"]

[columns.device_id]
type = "text"
from = "$topic.device"
required = true
max_length = 32

[columns.ts]
type = "timestamp"
required = true
"""
FUNCTION = """\
import json
import os
from pathlib import Path

FOLDER = Path(os.environ["FOLDER"])


class MapServerError(Exception):
    pass


class RefusedError(Exception):
    pass


def handle(event, _context):
    with (FOLDER / "calls").open("a") as file:
        file.write(json.dumps(event) + "\\n")
    if (FOLDER / "refuse").exists():
        raise RefusedError("the plant is closed")
    if (FOLDER / "busy").exists():
        (FOLDER / "busy").unlink()
        raise MapServerError("try again")
    return {"discarded": "x" * 100_000}
"""
CUSTOMIZE = """\
from etl.workflow import WorkflowEditor


def customize(workflow: WorkflowEditor) -> None:
    workflow.insert_before(
        "Load",
        workflow.invoke(
            "Enrich", "enrich", payload="$.step.output", retry_on=["MapServerError"]
        ),
    )
"""


@dataclass
class Pipeline:
    """The pipeline with the function, and the folder by which a test controls that."""

    target: Target
    folder: Path
    sent: int = 0

    def run(self) -> Execution:
        """Publish four messages, and run the pipeline over them."""
        lines = []
        for _ in range(4):
            self.sent += 1
            payload = {"ts": f"2026-11-23T00:00:{self.sent:02}Z"}
            lines.append(json.dumps({"topic": "site/box-1/climate", "payload": payload}))
        file = self.folder / "messages.ndjson"
        file.write_text("\n".join(lines))
        publish_file(self.target, self.target.contract, file)
        await_messages(self.target, len(lines))
        return drain(self.target)

    def calls(self) -> list[dict[str, Any]]:
        """Events that the function got since the last time."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def rows(self) -> int:
        ((found,),) = rows(self.target, "SELECT count(*)::int FROM telemetry.climate")
        return int(found)


@pytest.fixture(scope="module")
def pipeline(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("own")
    (folder / "climate.toml").write_text(CONTRACT)
    (folder / "customize.py").write_text(CUSTOMIZE)
    bare = local_target(state, STACK, start_stand_ins(state, die_with_parent=True))
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("enrich.py", FUNCTION)
    bare.client("lambda").create_function(
        FunctionName="plant-enrich",
        Runtime="python3.13",
        Handler="enrich.handle",
        Role="arn:aws:iam::000000000000:role/any",
        Timeout=3,
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"FOLDER": str(folder)}},
    )
    additions = KeptCustomization(folder / "customize.py", {"enrich": "plant-enrich"})
    target = up(state, STACK, folder / "climate.toml", additions=additions)
    return Pipeline(target, folder)


def test_it_sees_every_batch_after_validate_and_the_rows_arrive(pipeline: Pipeline) -> None:
    execution = pipeline.run()
    assert execution.status == "SUCCEEDED", execution.cause
    seen = pipeline.calls()
    assert Counter(one["raw_key"] for one in seen) == Counter(raw_keys(pipeline.target))
    assert {one["verdict"] for one in seen} == {"pass"}
    page = Path("docs/workflow-as-code.md").read_text(encoding="utf-8")
    documented = "`bucket`, `batch_id`, `raw_key`, `execution`, `purpose`, `report_key`, `copy_key`"
    assert documented in page
    assert set(re.findall(r"`(\w+)`", documented)) <= seen[0].keys()
    assert pipeline.rows() == 4


def test_the_role_may_invoke_it(pipeline: Pipeline) -> None:
    functions, iam = pipeline.target.client("lambda"), pipeline.target.client("iam")
    arn = functions.get_function(FunctionName="plant-enrich")["Configuration"]["FunctionArn"]
    machine = pipeline.target.client("stepfunctions").describe_state_machine(
        stateMachineArn=pipeline.target.outputs["StateMachineArn"]
    )
    policy = iam.get_role_policy(
        RoleName=machine["roleArn"].rpartition("/")[2], PolicyName="Steps"
    )["PolicyDocument"]
    (own,) = [one for one in policy["Statement"] if one.get("Sid") == "InvokeOwn"]
    assert own["Resource"] == [arn]
    states = children(json.loads(machine["definition"]))
    assert states["Enrich"]["Parameters"]["FunctionName"] == arn


def test_a_failure_that_passes_is_retried(pipeline: Pipeline) -> None:
    before = pipeline.rows()
    (pipeline.folder / "busy").touch()
    execution = pipeline.run()
    assert execution.status == "SUCCEEDED", execution.cause
    first, *others = Counter(one["raw_key"] for one in pipeline.calls()).most_common()
    assert (first[1], {count for _, count in others}) in ((2, set()), (2, {1}))
    assert pipeline.rows() == before + 4


def test_a_failure_for_good_fails_the_batch_and_a_replay_loads_it(pipeline: Pipeline) -> None:
    before, target = pipeline.rows(), pipeline.target
    earlier = set(raw_keys(pipeline.target))
    (pipeline.folder / "refuse").touch()
    execution = pipeline.run()
    assert (execution.status, execution.error) == ("FAILED", "BatchesFailed")
    assert "RefusedError" in str(execution.cause)
    failed = sorted(set(raw_keys(pipeline.target)) - earlier)
    assert [one["raw_key"] for one in pipeline.calls()] == failed, "an unknown error is final"
    for key in failed:
        outcome = outcome_key(key, execution.name, "failed")
        body = target.client("s3").get_object(Bucket=target.bucket, Key=outcome)["Body"].read()
        assert json.loads(body)["error"] == "RefusedError"
    assert pipeline.rows() == before

    (pipeline.folder / "refuse").unlink()
    for _ in load_again(target, batches_of(target, failed), kind="replay"):
        pass
    assert [one["raw_key"] for one in pipeline.calls()] == failed
    assert pipeline.rows() == before + 4
    found = reconcile(target, PATIENCE_SECONDS)
    assert found.problems() == []
    assert found.verdict.status == "balanced"


def test_a_notebook_makes_the_same_machine_beside_the_pipelines(pipeline: Pipeline) -> None:
    functions = pipeline.target.client("lambda")
    arn = functions.get_function(FunctionName="plant-enrich")["Configuration"]["FunctionArn"]

    def customize(workflow: WorkflowEditor) -> None:
        workflow.insert_after("Summarize", workflow.invoke("Report", "report"))

    workflow = build_workflow(
        pipeline.target, "own-notebook", customize=customize, functions={"report": arn}
    )
    workflow.create()
    pipeline.calls()
    prefix = f"{raw_keys(pipeline.target)[0].rpartition('/')[0]}/"
    execution = workflow.execute(inputs={"prefix": prefix})
    *_, (ended, _) = follow(pipeline.target, execution.execution_arn)
    assert ended.status == "SUCCEEDED", ended.cause
    (seen,) = pipeline.calls()
    assert (seen["status"], seen["failed"]) == ("succeeded", 0)


def test_it_stays_where_nothing_is_said_of_it(pipeline: Pipeline, state: Path) -> None:
    target = up(state, STACK)
    machine = target.client("stepfunctions").describe_state_machine(
        stateMachineArn=target.outputs["StateMachineArn"]
    )
    assert "Enrich" in children(json.loads(machine["definition"]))


def test_without_the_customization_the_state_and_the_permission_go(
    pipeline: Pipeline, state: Path
) -> None:
    target = up(state, STACK, additions=KeptCustomization())
    machine = target.client("stepfunctions").describe_state_machine(
        stateMachineArn=target.outputs["StateMachineArn"]
    )
    assert "Enrich" not in children(json.loads(machine["definition"]))
    role = target.client("iam").get_role_policy(
        RoleName=machine["roleArn"].rpartition("/")[2], PolicyName="Steps"
    )
    assert "InvokeOwn" not in json.dumps(role["PolicyDocument"])
