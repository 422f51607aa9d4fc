"""The dead-letter queue and the rule's error queue: looked at, and brought back to the queue."""

from __future__ import annotations

import base64
import json
import time
import uuid

import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.operations.dead_letters import DEAD_LETTERS, RULE_ERRORS, depth, peek

PAYLOAD = b'{"device_id": "box-1", \x00\xff}'


@pytest.fixture
def queues(target):
    """The three queues of a stack, as the template makes them."""
    sqs, made = target.client("sqs"), {}
    for name in ("DeadLetterQueue", "RuleErrorQueue", "Queue"):
        # What was received stays so, however slow the machine is.
        hidden = {"VisibilityTimeout": "900"}
        unique = f"{name}-{uuid.uuid4().hex[:8]}"
        url = sqs.create_queue(QueueName=unique, Attributes=hidden)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        made |= {f"{name}Url": url, f"{name}Arn": arn["Attributes"]["QueueArn"]}
    policy = {"deadLetterTargetArn": made["DeadLetterQueueArn"], "maxReceiveCount": 1}
    sqs.set_queue_attributes(
        QueueUrl=made["QueueUrl"], Attributes={"RedrivePolicy": json.dumps(policy)}
    )
    target.outputs.update(made)
    return made


@pytest.fixture
def send(target, queues):
    def send(queue: str, *bodies: str):
        for body in bodies:
            target.client("sqs").send_message(QueueUrl=queues[f"{queue}Url"], MessageBody=body)

    return send


@pytest.fixture
def received(target, queues):
    def receive() -> list[dict]:
        found, sqs = [], target.client("sqs")
        while got := sqs.receive_message(QueueUrl=queues["QueueUrl"], MaxNumberOfMessages=10).get(
            "Messages"
        ):
            found += [json.loads(one["Body"]) for one in got]
        return found

    return receive


@pytest.fixture
def etl(target, queues, monkeypatch):
    monkeypatch.setattr("etl.cli.dlq.target_of", lambda _: target)

    def run(*arguments: str, status: int = 0, **settings):
        result = CliRunner().invoke(app, ["dlq", *arguments], **settings)
        assert result.exit_code == status, result.output
        return result

    return run


def envelope(number: int) -> str:
    payload = base64.b64encode(PAYLOAD).decode()
    return json.dumps(
        {"payload": payload, "topic": "t/box", "client_id": "box", "received_at": number}
    )


def rule_error(rule: str = "TopicRule") -> str:
    """As AWS's documentation shows it; the emulator's rule never fails."""
    return json.dumps(
        {
            "ruleName": rule,
            "topic": "telemetry/fleet/box-1",
            "cloudwatchTraceId": "7e146a2c-95b5-6caf-98b9-50e3969734c7",
            "clientId": "box-1",
            "base64OriginalPayload": base64.b64encode(PAYLOAD).decode(),
            "failures": [
                {
                    "failedAction": "SqsAction",
                    "failedResource": "https://sqs/queue",
                    "errorMessage": "Failed to send message to SQS: \x1b[2J access denied",
                }
            ],
        }
    )


def test_looking_leaves_every_message_where_it_was(target, send):
    send("DeadLetterQueue", *(envelope(n) for n in range(25)))
    letters = peek(target, DEAD_LETTERS, 12)
    assert len({letter.message_id for letter in letters}) == 12
    assert {letter.payload for letter in letters} == {PAYLOAD}
    assert {letter.client_id for letter in letters} == {"box"}
    assert (depth(target, DEAD_LETTERS).waiting, depth(target, DEAD_LETTERS).hidden) == (25, 0)
    assert len(peek(target, DEAD_LETTERS, 100)) == 25


def test_counting_receives_nothing(target, send, etl):
    send("DeadLetterQueue", "a")
    assert json.loads(etl("list", "--json").stdout)["dead-letters"]["waiting"] == 1
    assert peek(target, DEAD_LETTERS, 1)[0].receives == 1


def test_what_is_shown_is_harmless(etl, send):
    send("DeadLetterQueue", "\t\x85 neither rule nor JSON \u202e")
    send("RuleErrorQueue", rule_error())
    printed = etl("list", "--look", "5").stdout
    assert all(character.isprintable() or character == "\n" for character in printed)
    assert r"SqsAction: Failed to send message to SQS: \x1b[2J access denied" in printed
    assert r"\x85 neither rule nor JSON \u202e" in printed


def test_dead_letters_go_back_all_at_once(target, send, received, etl):
    send("DeadLetterQueue", *(envelope(n) for n in range(23)))
    assert "23 messages" in etl("redrive", "--dry-run").output
    assert depth(target, DEAD_LETTERS).total == 23
    etl("redrive", input="n\n", status=1)
    assert depth(target, DEAD_LETTERS).total == 23
    assert "23 messages moved" in etl("redrive", "--yes").stdout
    assert depth(target, DEAD_LETTERS).total == 0
    assert sorted(body["received_at"] for body in received()) == list(range(23))
    assert "0 messages" in etl("redrive", "--yes").output


def test_a_move_that_runs_already_is_followed(target, queues, send, received, etl):
    limit = time.monotonic() + 120
    while True:
        send("DeadLetterQueue", *(envelope(n) for n in range(6)))
        target.client("sqs").start_message_move_task(
            SourceArn=queues["DeadLetterQueueArn"],
            DestinationArn=queues["QueueArn"],
            MaxNumberOfMessagesPerSecond=1,
        )
        printed = etl("redrive", "--yes").stdout
        assert len(received()) == 6
        if "6 messages moved" in printed:
            break
        # It had ended: a machine that stood still has overslept it.
        assert "0 messages" in printed
        assert time.monotonic() < limit


def test_what_the_rule_could_not_deliver_is_sent_as_the_rule_would_have(
    target, send, received, etl
):
    send("RuleErrorQueue", *(rule_error() for _ in range(12)), "written by hand")
    printed = etl("redrive", "--queue", "rule-errors", "--yes")
    assert "12 messages moved" in printed.stdout
    assert "Not moved: 1 message not in the error format of AWS IoT" in printed.stderr
    assert depth(target, RULE_ERRORS).total == 1
    bodies = received()
    assert len(bodies) == 12
    (about,) = {(body["topic"], body["client_id"], body["payload"]) for body in bodies}
    assert about == ("telemetry/fleet/box-1", "box-1", base64.b64encode(PAYLOAD).decode())
    assert all(isinstance(body["received_at"], int) for body in bodies)


def test_messages_of_a_megabyte_each_are_cut_into_calls_that_sqs_takes(send, received, etl):
    large = json.loads(rule_error())
    large["base64OriginalPayload"] = base64.b64encode(b"x" * 600_000).decode()
    send("RuleErrorQueue", *[json.dumps(large)] * 3)
    assert "3 messages moved" in etl("redrive", "--queue", "rule-errors", "--yes").stdout
    assert len(received()) == 3


def test_what_the_rule_of_a_removed_contract_left_stays(target, send, received, etl):
    """The first contract would read it as its own."""
    send("RuleErrorQueue", rule_error(), rule_error("telemetry_TopicRuleStatus_1A2B"))
    result = etl("redrive", "--queue", "rule-errors", "--yes")
    assert "1 message moved" in result.stdout
    assert "1 message of contracts that the pipeline has no more" in " ".join(result.output.split())
    assert "not in the error format" not in result.output
    assert len(received()) == 1
    assert depth(target, RULE_ERRORS).total == 1
    again = json.loads(etl("redrive", "--queue", "rule-errors", "--yes", "--json").stdout)
    assert (again["left"], again["of_removed"]) == (1, 1)
