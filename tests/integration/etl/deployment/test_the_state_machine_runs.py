"""The definition itself, run by the emulator over scripted functions: every way it can end."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from telemetry.layout import manifest_key, outcome_key
from telemetry.manifest import Item, manifest_body
from workflow.definition import definition_json, resolve

STEPS = ("extract", "transform", "validate", "load", "summarize")
ROLE = "arn:aws:iam::000000000000:role/any"
ALL_LOADED = {"status": "succeeded", "batches": 1, "loaded": 1, "message": "all loaded"}


@dataclass
class Machine:
    """The deployed definition, its scripted functions and what they were told to do."""

    account: Any
    arn: str
    bucket: str
    alerts: str
    folder: Path

    def staged(self, *names: str) -> dict[str, Any]:
        """Write a manifest of raw objects; the reference that Extract would answer."""
        staging = uuid.uuid4().hex[:8]
        prefix = f"raw/2026/11/23/{staging}/"
        manifest = manifest_key(staging)
        items = [Item(f"{prefix}{name}.n1.ndjson.gz", 1, "replay") for name in names]
        put = self.account.client("s3").put_object
        put(Bucket=self.bucket, Key=manifest, Body=manifest_body(items))
        return {
            "bucket": self.bucket,
            "prefix": prefix,
            "manifest": manifest,
            "batches": len(names),
            "concurrency": 2,
        }

    def script(self, step: str, answer: dict[str, Any]) -> None:
        (self.folder / f"{step}.json").write_text(json.dumps(answer))

    def calls(self, step: str, containing: str = "") -> list[dict[str, Any]]:
        file = self.folder / f"{step}.calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line) for line in lines if containing in line]

    def run(self, given: dict[str, Any]) -> dict[str, Any]:
        client = self.account.client("stepfunctions")
        started = client.start_execution(stateMachineArn=self.arn, input=json.dumps(given))
        until = time.monotonic() + 120
        while time.monotonic() < until:
            ended = client.describe_execution(executionArn=started["executionArn"])
            if ended["status"] != "RUNNING":
                return ended
            time.sleep(0.05)
        raise AssertionError("the execution didn't end")

    def told(self) -> list[str]:
        """Subjects and messages of the alerts published since the last time."""
        sqs = self.account.client("sqs")
        found = sqs.receive_message(QueueUrl=self.alerts, MaxNumberOfMessages=10).get(
            "Messages", []
        )
        for message in found:
            sqs.delete_message(QueueUrl=self.alerts, ReceiptHandle=message["ReceiptHandle"])
        bodies = [json.loads(message["Body"]) for message in found]
        return [f"{body['Subject']}: {body['Message']}" for body in bodies]

    def outcome(
        self, execution: dict[str, Any], reference: dict[str, Any], name: str
    ) -> dict[str, Any]:
        raw_key = f"{reference['prefix']}{name}.n1.ndjson.gz"
        key = outcome_key(raw_key, execution["name"], "failed")
        stored = self.account.client("s3").get_object(Bucket=self.bucket, Key=key)
        found: dict[str, Any] = json.loads(stored["Body"].read())
        return found


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        source = Path(__file__).with_name("scripted_function.py")
        archive.writestr("scripted_function.py", source.read_text())
    return buffer.getvalue()


@pytest.fixture(scope="module")
def shared_machine(account, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripted")
    functions, name = account.client("lambda"), f"scripted-{uuid.uuid4().hex[:8]}"
    values = {"DataBucketName": name}
    for step in STEPS:
        made = functions.create_function(
            FunctionName=f"{name}-{step}",
            Runtime="python3.13",
            Handler="scripted_function.handle",
            Role=ROLE,
            Timeout=120,
            Code={"ZipFile": zipped()},
            Environment={"Variables": {"STEP": step, "FOLDER": str(folder)}},
        )
        values[f"{step.title()}FunctionArn"] = made["FunctionArn"]
    account.client("s3").create_bucket(Bucket=name)
    sqs, sns = account.client("sqs"), account.client("sns")
    alerts = sqs.create_queue(QueueName=name)["QueueUrl"]
    values["TopicArn"] = sns.create_topic(Name=name)["TopicArn"]
    arn = sqs.get_queue_attributes(QueueUrl=alerts, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=values["TopicArn"], Protocol="sqs", Endpoint=arn["QueueArn"])
    definition = resolve(definition_json(), values)
    machine = account.client("stepfunctions").create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=ROLE
    )
    return Machine(account, machine["stateMachineArn"], name, alerts, folder)


@pytest.fixture
def machine(shared_machine):
    for file in shared_machine.folder.iterdir():
        file.unlink()
    shared_machine.told()
    shared_machine.script("summarize", ALL_LOADED)
    return shared_machine


def test_a_scheduled_execution_extracts_loads_and_summarizes(machine):
    reference = machine.staged("a", "b")
    machine.script("extract", reference)
    ended = machine.run({})
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", ALL_LOADED)
    (asked,) = machine.calls("extract")
    assert asked == {"execution": ended["name"], "started": asked["started"], "input": {}}
    for item in machine.calls("transform"):
        assert set(item) == {"bucket", "key", "size", "execution", "purpose"}
        assert (item["size"], item["purpose"]) == (1, "replay")
        assert item["execution"] == ended["name"]
        assert item["key"].startswith(reference["prefix"])
    # Each step gets the answer of the one before it, and nothing around it.
    assert {call["step"] for call in machine.calls("validate")} == {"transform"}
    assert {call["step"] for call in machine.calls("load")} == {"validate"}
    assert machine.calls("summarize") == [
        {
            "bucket": reference["bucket"],
            "manifest": reference["manifest"],
            "execution": ended["name"],
            "input": reference,
        }
    ]
    assert machine.told() == []


def test_an_empty_queue_is_nothing_to_do(machine):
    machine.script("extract", {**machine.staged(), "batches": 0})
    assert machine.run({})["status"] == "SUCCEEDED"
    assert machine.calls("summarize") == []


def test_a_prefix_alone_is_listed_and_replayed(machine):
    reference = machine.staged("a")
    machine.script("extract", reference)
    assert machine.run({"prefix": reference["prefix"]})["status"] == "SUCCEEDED"
    (asked,) = machine.calls("extract")
    assert asked["request"] == {"prefix": reference["prefix"]}
    assert len(machine.calls("load")) == 1


def test_what_the_queue_trigger_staged_is_loaded_without_extract(machine):
    assert machine.run(machine.staged("a"))["status"] == "SUCCEEDED"
    assert machine.calls("extract") == []
    assert len(machine.calls("load")) == 1


def test_a_transient_error_is_retried(machine):
    assert machine.run(machine.staged("load-busy"))["status"] == "SUCCEEDED"
    assert len(machine.calls("load")) == 2


def test_a_function_whose_process_died_is_called_once_more(machine):
    assert machine.run(machine.staged("validate-dies"))["status"] == "SUCCEEDED"
    assert len(machine.calls("validate")) == 2


def test_a_permanent_error_is_recorded_at_once_and_the_other_batches_go_on(machine):
    machine.script("summarize", {"status": "partial", "message": "1 of 2 failed"})
    reference = machine.staged("transform-corrupt", "good")
    ended = machine.run(reference)
    assert ended["status"] == "SUCCEEDED"
    assert len(machine.calls("transform", "transform-corrupt")) == 1
    assert len(machine.calls("load", "good")) == 1
    recorded = machine.outcome(ended, reference, "transform-corrupt")
    assert recorded["status"] == "failed"
    assert recorded["raw_key"] == f"{reference['prefix']}transform-corrupt.n1.ndjson.gz"
    assert recorded["error"] == "BatchCorruptError"
    assert "is not gzip" in recorded["cause"]
    assert machine.told() == ["Telemetry: some batches failed: 1 of 2 failed"]


def test_an_error_in_a_later_step_is_recorded_under_the_same_name(machine):
    machine.script("summarize", {"status": "partial", "message": "m"})
    reference = machine.staged("load-corrupt")
    ended = machine.run(reference)
    assert machine.outcome(ended, reference, "load-corrupt")["error"] == "BatchCorruptError"


def test_failed_batches_are_reported_and_fail_the_execution(machine):
    machine.script("summarize", {"status": "failed", "message": "1 of 1 failed: run ..."})
    ended = machine.run(machine.staged("transform-corrupt"))
    assert (ended["status"], ended["error"]) == ("FAILED", "BatchesFailed")
    assert ended["cause"] == "1 of 1 failed: run ..."
    assert machine.told() == ["Telemetry: batches failed: 1 of 1 failed: run ..."]


@pytest.mark.parametrize("step", ["extract", "summarize"])
def test_a_step_that_breaks_is_reported_and_fails_the_execution(machine, step):
    machine.script("extract", machine.staged("a"))
    machine.script(step, {"raise": "QUEUE_URL is not set"})
    ended = machine.run({})
    assert (ended["status"], ended["error"]) == ("FAILED", "ConfigurationError")
    assert "QUEUE_URL is not set" in ended["cause"]
    assert len(machine.calls(step)) == 1
    (told,) = machine.told()
    assert told.startswith("Telemetry: an execution failed: Execution arn:aws:states:")
    assert "failed with ConfigurationError" in told
    assert "QUEUE_URL is not set" in told


def test_a_bucket_that_is_gone_breaks_the_map_and_is_reported(machine):
    ended = machine.run({**machine.staged("a"), "bucket": "there-is-no-such-bucket"})
    assert ended["status"] == "FAILED"
    assert len(machine.told()) == 1


def test_a_loop_hands_its_state_from_drain_to_drain(machine):
    """Extract says again and again the same here: the state machine does what it says."""
    past = "2026-11-23T10:00:00.000Z"
    again = {"at": past, "until": past, "every": 1.0, "drain": 1, "loaded": [0]}
    machine.script("extract", {**machine.staged("a", "b"), "again": again})
    client = machine.account.client("stepfunctions")
    started = client.start_execution(stateMachineArn=machine.arn, input='{"drains": {}}')
    until = time.monotonic() + 60
    name = started["executionArn"].rpartition(":")[2]
    while len(machine.calls("extract", name)) < 3:
        assert time.monotonic() < until
        time.sleep(0.05)
    last = {**machine.staged("c"), "whole": {"manifest": "m", "batches": 3}}
    machine.script("extract", last)
    while client.describe_execution(executionArn=started["executionArn"])["status"] == "RUNNING":
        assert time.monotonic() < until
        time.sleep(0.05)
    first, second, *_ = machine.calls("extract", name)
    assert first["input"] == {"drains": {}}
    assert second["input"]["again"] == again
    (summarized,) = machine.calls("summarize", name)
    assert summarized["input"]["whole"] == last["whole"]
    # Two batches in each drain but the last one, and one in that.
    drains = len(machine.calls("extract", name)) - 1
    assert len(machine.calls("transform", name)) == 2 * drains + 1


@pytest.mark.parametrize(("whole", "end"), [({"manifest": "m"}, "summarize"), (None, "nothing")])
def test_a_last_drain_without_batches_ends_by_what_came_before(machine, whole, end):
    answer = {**machine.staged(), "batches": 0}
    machine.script("extract", answer if whole is None else {**answer, "whole": whole})
    ended = machine.run({})
    assert ended["status"] == "SUCCEEDED"
    assert len(machine.calls("summarize", ended["name"])) == (1 if end == "summarize" else 0)
