"""What the emulator has accepted is there again after it was stopped, killed or moved."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from local.emulator.launcher import Emulator, EmulatorEndpoint
from local.ports import HOST
from tests.integration.local.emulator.conftest import ROLE, RUNTIME, zipped
from tests.integration.local.emulator.test_breaking_it_on_purpose import client

PATIENCE_SECONDS = 120
WAITING = {
    "StartAt": "Wait",
    "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}},
}
READER = "import inside\ndef handle(event, context):\n    return inside.VALUE"
PASSING = {"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": True}}}
TEMPLATE = {
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "kept"}}},
    "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path / "emulator", xray_port=9, keep=True)
    yield emulator
    emulator.stop()


def wait_until(met: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kill(server: Emulator) -> None:
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()


def kept(server: Emulator, word: str) -> bool:
    """True once a word of the configuration is in a snapshot on disk."""
    files = (server.folder / "keys").glob("*.json")
    return any(word in file.read_text() for file in files)


def queue_of(endpoint: EmulatorEndpoint) -> str:
    url: str = client(endpoint, "sqs").create_queue(QueueName="q")["QueueUrl"]
    return url


def bodies(endpoint: EmulatorEndpoint, url: str) -> set[str]:
    found: set[str] = set()
    while (
        more := client(endpoint, "sqs")
        .receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600)
        .get("Messages")
    ):
        found |= {message["Body"] for message in more}
    return found


def test_no_accepted_message_is_lost_and_no_deleted_one_comes_back(server: Emulator) -> None:
    endpoint = server.start()
    sqs, url = client(endpoint, "sqs"), queue_of(endpoint)
    wait_until(lambda: kept(server, url))
    for number in range(20):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    [first] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    batch = sqs.receive_message(QueueUrl=url, VisibilityTimeout=600, MaxNumberOfMessages=3)
    entries = [
        {"Id": one["MessageId"], "ReceiptHandle": one["ReceiptHandle"]} for one in batch["Messages"]
    ]
    assert len(sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 3
    [in_flight] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)["Messages"]
    kill(server)
    found = bodies(server.start(), url)
    assert in_flight["Body"] in found
    deleted = {first["Body"], *(one["Body"] for one in batch["Messages"])}
    assert found == {str(number) for number in range(20)} - deleted


def test_objects_are_there_the_moment_they_are_accepted(server: Emulator) -> None:
    endpoint = server.start()
    client(endpoint, "s3").create_bucket(Bucket="bucket")
    client(endpoint, "s3").put_object(Bucket="bucket", Key="raw/a", Body=b"1", Metadata={"m": "2"})
    kill(server)
    found = client(server.start(), "s3").get_object(Bucket="bucket", Key="raw/a")
    assert (found["Body"].read(), found["Metadata"]) == (b"1", {"m": "2"})


def written(server: Emulator) -> dict[str, tuple[str, str]]:
    """Status and last event of each execution on disk, by ARN."""
    with closing(sqlite3.connect(server.folder / "keys" / "state.sqlite")) as connection:
        rows = connection.execute("SELECT key, text FROM executions").fetchall()
    found = {arn: json.loads(text)[2] for arn, text in rows}
    return {
        arn: (one["status"], one["events"][-1]["type"])
        for arn, one in found.items()
        if one["events"]
    }


def machine(endpoint: EmulatorEndpoint, name: str, definition: dict[str, Any]) -> str:
    arn: str = client(endpoint, "stepfunctions").create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=ROLE
    )["stateMachineArn"]
    return arn


def test_executions_are_listed_and_one_that_ran_has_failed_and_says_why(server: Emulator) -> None:
    endpoint = server.start()
    states = client(endpoint, "stepfunctions")
    waiting, passing = machine(endpoint, "waits", WAITING), machine(endpoint, "passes", PASSING)
    ran = states.start_execution(stateMachineArn=waiting, name="ran")["executionArn"]
    done = states.start_execution(stateMachineArn=passing, name="done")["executionArn"]

    def history() -> list[Any]:
        events: list[Any] = states.get_execution_history(executionArn=done)["events"]
        return events

    wait_until(lambda: history()[-1]["type"] == "ExecutionSucceeded")
    before = history()
    wait_until(lambda: kept(server, "passes"))
    last_written = {ran: ("RUNNING", "WaitStateEntered"), done: ("SUCCEEDED", before[-1]["type"])}
    wait_until(lambda: last_written.items() <= written(server).items())
    kill(server)
    states = client(server.start(), "stepfunctions")
    assert states.describe_execution(executionArn=done)["status"] == "SUCCEEDED"
    assert states.get_execution_history(executionArn=done)["events"] == before
    found = states.describe_execution(executionArn=ran)
    assert (found["status"], found["error"]) == ("FAILED", "Emulator.Stopped")
    assert "sweep" in found["cause"]
    last = states.get_execution_history(executionArn=ran)["events"][-1]
    assert last["type"] == "ExecutionFailed"


def test_a_stack_and_its_resources_are_there_again(server: Emulator) -> None:
    endpoint = server.start()
    formation = client(endpoint, "cloudformation")
    formation.create_stack(StackName="stack", TemplateBody=json.dumps(TEMPLATE))
    formation.get_waiter("stack_create_complete").wait(StackName="stack")
    wait_until(lambda: kept(server, "CREATE_COMPLETE"))
    kill(server)
    endpoint = server.start()
    [stack] = client(endpoint, "cloudformation").describe_stacks(StackName="stack")["Stacks"]
    topics = client(endpoint, "sns").list_topics()["Topics"]
    assert [topic["TopicArn"] for topic in topics] == [stack["Outputs"][0]["OutputValue"]]


def test_a_layer_is_there_again_and_lies_beside_the_snapshot(server: Emulator) -> None:
    functions = client(server.start(), "lambda")
    # Random text hardly compresses: the snapshot must not grow with it.
    archive = zipped({"python/inside.py": "VALUE = 7", "ballast": os.urandom(1 << 20).hex()})
    layer = functions.publish_layer_version(LayerName="kept", Content={"ZipFile": archive})
    functions.create_function(
        FunctionName="reader",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="module.handle",
        Code={"ZipFile": zipped({"module.py": READER})},
        Timeout=120,
        Layers=[layer["LayerVersionArn"]],
    )
    wait_until(lambda: kept(server, layer["LayerVersionArn"]) and kept(server, "reader"))
    assert (server.folder / "keys" / "lambda.json").stat().st_size < 100_000
    for name in ("first", "second"):  # what a restored emulator writes is restored too
        kill(server)
        functions = client(server.start(), "lambda")
        assert functions.invoke(FunctionName="reader")["Payload"].read() == b"7"
        functions.publish_layer_version(LayerName=name, Content={"ZipFile": zipped({name: ""})})
        wait_until(lambda name=name: kept(server, f":layer:{name}:"))
    functions.delete_function(FunctionName="reader")
    functions.delete_layer_version(LayerName="kept", VersionNumber=1)
    digest = hashlib.sha256(archive).hexdigest()
    wait_until(lambda: not list((server.folder / "keys").rglob(f"{digest}.zip")))


def test_a_taken_port_moves_the_account_with_its_messages(server: Emulator, tmp_path: Path) -> None:
    endpoint = server.start()
    url = queue_of(endpoint)
    client(endpoint, "sqs").send_message(QueueUrl=url, MessageBody="kept")
    server.stop()
    port = int(endpoint.endpoint_url.rpartition(":")[2])
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, port))
        taken.listen()
        other = Emulator(server.folder, xray_port=9, keep=True)
        try:
            moved = other.start()
            assert moved.endpoint_url != endpoint.endpoint_url
            [found] = client(moved, "sqs").list_queues()["QueueUrls"]
            assert found == url.replace(endpoint.endpoint_url, moved.endpoint_url)
            assert bodies(moved, found) == {"kept"}
        finally:
            other.stop()


def test_a_deleted_queue_takes_its_messages_with_it(server: Emulator) -> None:
    endpoint = server.start()
    url = queue_of(endpoint)
    client(endpoint, "sqs").send_message(QueueUrl=url, MessageBody="gone")
    client(endpoint, "sqs").delete_queue(QueueUrl=url)
    queue_of(endpoint)
    server.stop()
    assert bodies(server.start(), url) == set()
