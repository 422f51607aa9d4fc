"""The drain, with failures at the worst moments: a message is in the queue, in S3, or in both."""

import base64
import gzip
import hashlib
import json
import re
import time

import pytest

from functions.extract import handler
from telemetry.errors import (
    BatchMissingError,
    ConfigurationError,
    QueueUnavailableError,
    StorageUnavailableError,
)
from telemetry.manifest import parse_manifest
from tests.fixtures.aws_fakes import BUCKET, FakeAws, LambdaContext, aws_error

EVENT = {"execution": "run.7", "started": "2026-11-23T00:00:30.123Z"}
PREFIX = "raw/2026/11/23/run.7/"
MANIFEST = "manifests/run.7.json"
THROTTLED = aws_error("SlowDown", 503)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setenv("BATCH_MESSAGES", "20")
    monkeypatch.setenv("DRAIN_RECEIVERS", "4")


def staged_bodies(aws: FakeAws) -> list[str]:
    """Bodies of all staged messages, with repetitions."""
    return [
        base64.b64decode(json.loads(line)["payload"]).decode()
        for key, content in aws.s3.objects.items()
        if key.startswith("raw/")
        for line in gzip.decompress(content).splitlines()
    ]


def asking(prefix: str, **more):
    return {"execution": "replay", "started": "x", "request": {"prefix": prefix, **more}}


def bodies(count: int) -> list[str]:
    return [f"body {number}" for number in range(count)]


def test_everything_is_staged_and_then_deleted(aws: FakeAws):
    aws.sqs.send(*bodies(105))
    result = handler.drain(EVENT, None)
    assert sorted(staged_bodies(aws)) == sorted(bodies(105))
    assert aws.sqs.left == 0
    assert result == {
        "bucket": BUCKET,
        "prefix": PREFIX,
        "manifest": MANIFEST,
        "batches": 6,
        "messages": 105,
        "bytes": sum(len(body) for key, body in aws.s3.objects.items() if key.startswith("raw/")),
        "concurrency": 10,
        "manifest_sha256": hashlib.sha256(aws.s3.objects[MANIFEST]).hexdigest(),
    }
    items = parse_manifest(aws.s3.objects[MANIFEST], MANIFEST)
    assert {item.key: item.size for item in items} == {
        key: len(body) for key, body in aws.s3.objects.items() if key.startswith("raw/")
    }
    assert {item.purpose for item in items} == {"load"}


def test_the_names_tell_execution_attempt_number_and_messages(aws: FakeAws):
    aws.sqs.send(*bodies(25))
    handler.drain(EVENT, None)
    names = sorted(key.removeprefix(PREFIX) for key in aws.s3.objects if key.startswith(PREFIX))
    pattern = r"run-7-([0-9a-f]{6})-000(\d)\.n(\d+)\.ndjson\.gz"
    found = [re.fullmatch(pattern, name).groups() for name in names]
    assert len({attempt for attempt, _, _ in found}) == 1
    assert [number for _, number, _ in found] == ["0", "1"]
    assert sorted(int(messages) for *_, messages in found) == [5, 20]


def test_it_says_how_many_messages_are_safe_and_how_long_they_had_waited(aws: FakeAws, capsys):
    aws.sqs.sent_ms -= 90_000
    aws.sqs.send(*bodies(25))
    handler.drain(EVENT, None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = [line for line in lines if "MessagesStaged" in line]
    assert (told["MessagesStaged"], told["BatchesStaged"]) == ([25.0], [2.0])
    assert 90 <= told["QueueSeconds"][0] <= time.time() - aws.sqs.sent_ms / 1000 + 0.001
    assert told["execution"] == EVENT["execution"]
    handler.drain(EVENT, None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = [line for line in lines if "MessagesStaged" in line]
    assert told["MessagesStaged"] == [0.0]  # a heartbeat: the drain works, nothing came
    assert "QueueSeconds" not in told


def test_an_empty_queue_costs_one_request(aws: FakeAws):
    assert handler.drain(EVENT, None)["batches"] == 0
    assert aws.sqs.calls == ["receive_message"]
    assert aws.s3.objects == {}


def test_a_crash_between_put_and_delete_doubles_and_loses_nothing(aws: FakeAws):
    aws.sqs.send(*bodies(45))
    # The process ends after S3 has the first object, before anything is deleted.
    aws.s3.fail("put_object", SystemExit("killed"), after=True)
    aws.sqs.fail("delete_message_batch", SystemExit("killed"), times=99)
    with pytest.raises(SystemExit):
        handler.drain(EVENT, None)
    assert aws.sqs.left == 45
    aws.sqs._before.clear()
    aws.sqs.end_visibility_timeout()
    result = handler.drain(EVENT, None)
    found = staged_bodies(aws)
    assert set(found) == set(bodies(45))
    assert result["messages"] == len(found) > 45
    assert aws.sqs.left == 0


def test_a_retry_finds_what_a_dead_attempt_had_deleted(aws: FakeAws):
    aws.sqs.send(*bodies(30))
    aws.sqs.fail("receive_message", THROTTLED, times=9, skip=3)
    with pytest.raises(QueueUnavailableError):
        handler.drain(EVENT, None)
    aws.sqs._before.clear()
    aws.sqs.end_visibility_timeout()
    assert handler.drain(EVENT, None)["messages"] == 30
    assert sorted(staged_bodies(aws)) == sorted(bodies(30))


def test_what_was_received_before_the_queue_failed_is_brought_home(aws: FakeAws, monkeypatch):
    monkeypatch.setenv("DRAIN_RECEIVERS", "1")
    aws.sqs.send(*bodies(10))
    aws.sqs.fail("receive_message", THROTTLED, times=9, skip=1)
    with pytest.raises(QueueUnavailableError):
        handler.drain(EVENT, None)
    assert sorted(staged_bodies(aws)) == sorted(bodies(10))
    assert aws.sqs.left == 0


def test_nothing_is_deleted_that_s3_did_not_take(aws: FakeAws):
    aws.sqs.send(*bodies(50))
    aws.s3.fail("put_object", THROTTLED, times=99)
    with pytest.raises(StorageUnavailableError):
        handler.drain(EVENT, None)
    assert aws.sqs.left == 50
    assert "delete_message_batch" not in aws.sqs.calls


def test_one_failed_put_keeps_only_its_own_messages_in_the_queue(aws: FakeAws, monkeypatch):
    monkeypatch.setenv("DRAIN_RECEIVERS", "1")
    aws.sqs.send(*bodies(60))
    aws.s3.fail("put_object", THROTTLED, skip=1)
    with pytest.raises(StorageUnavailableError):
        handler.drain(EVENT, None)
    assert len(staged_bodies(aws)) == 20
    assert aws.sqs.left == 40


def test_a_failed_deletion_is_logged_and_harmless(aws: FakeAws, capsys):
    aws.sqs.send(*bodies(20))
    aws.sqs.fail("delete_message_batch", THROTTLED)
    assert handler.drain(EVENT, None)["messages"] == 20
    assert aws.sqs.left == 10
    assert "will be delivered again" in capsys.readouterr().out


def test_a_deletion_that_is_not_permitted_is_reported(aws: FakeAws):
    aws.sqs.send(*bodies(20))
    aws.sqs.fail("delete_message_batch", aws_error("AccessDenied", 403), times=9)
    with pytest.raises(ConfigurationError, match="permissions"):
        handler.drain(EVENT, None)
    assert sorted(staged_bodies(aws)) == sorted(bodies(20))


def test_an_expired_receipt_is_no_error(aws: FakeAws, capsys):
    aws.sqs.send(*bodies(10))
    real = aws.s3.put_object

    def slow_put(**arguments):
        aws.sqs.end_visibility_timeout()
        return real(**arguments)

    aws.s3.put_object = slow_put
    handler.drain(EVENT, None)
    assert aws.sqs.left == 10
    assert "ReceiptHandleIsInvalid" in capsys.readouterr().out


def test_the_drain_ends_in_time_and_leaves_the_rest(aws: FakeAws):
    aws.sqs.send(*bodies(500))
    real = aws.sqs.receive_message

    def slow_receive(**arguments):
        time.sleep(0.02)
        return real(**arguments)

    aws.sqs.receive_message = slow_receive
    result = handler.drain(EVENT, LambdaContext(remaining_ms=200))
    assert 0 < result["messages"] < 500
    assert result["messages"] + aws.sqs.left == 500


def test_a_prefix_is_listed_and_the_queue_left_alone(aws: FakeAws):
    aws.sqs.send(*bodies(30))
    handler.drain(EVENT, None)
    aws.sqs.send(*bodies(5))
    again = handler.drain(asking("raw/2026/"), None)
    assert (again["messages"], again["prefix"]) == (30, "raw/2026/")
    items = parse_manifest(aws.s3.objects[again["manifest"]], "m")
    assert [item.purpose for item in items] == ["replay"] * 2
    assert aws.sqs.left == 5


def test_a_listing_may_say_why_and_how_many_at_once(aws: FakeAws, monkeypatch):
    monkeypatch.setenv("MAX_CONCURRENCY", "7")
    aws.sqs.send(*bodies(3))
    assert handler.drain(EVENT, None)["concurrency"] == 7
    again = handler.drain(asking("raw/", purpose="release", concurrency=2), None)
    assert again["concurrency"] == 2
    assert parse_manifest(aws.s3.objects[again["manifest"]], "m")[0].purpose == "release"
    with pytest.raises(ConfigurationError, match="purpose"):
        handler.drain(asking("raw/", purpose="destroy"), None)


def test_a_prefix_with_nothing_under_it_is_a_mistake(aws: FakeAws):
    with pytest.raises(BatchMissingError, match="raw/1999/"):
        handler.drain(asking("raw/1999/"), None)
    with pytest.raises(ConfigurationError, match="begin with raw/"):
        handler.drain(asking("clean/"), None)


def test_a_setting_that_is_missing_is_named(aws: FakeAws, monkeypatch):
    monkeypatch.delenv("QUEUE_URL")
    with pytest.raises(ConfigurationError, match="QUEUE_URL"):
        handler.drain(EVENT, None)
