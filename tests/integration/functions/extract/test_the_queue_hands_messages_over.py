"""The event source mapping's entry: partial failures, and the same ids for the same messages."""

import gzip
import hashlib
import json

import pytest

from functions.extract import handler
from telemetry.manifest import Item, parse_manifest
from tests.fixtures.aws_fakes import FakeAws, aws_error, sqs_event


def failed(result) -> list[str]:
    return [entry["itemIdentifier"] for entry in result["batchItemFailures"]]


def raw_objects(aws: FakeAws) -> dict[str, bytes]:
    return {key: body for key, body in aws.s3.objects.items() if key.startswith("raw/")}


def ids(event) -> list[str]:
    return [record["messageId"] for record in event["Records"]]


def test_messages_are_staged_and_an_execution_started(aws: FakeAws):
    assert handler.stage(sqs_event("a", "b", "c"), None) == {"batchItemFailures": []}
    ((key, content),) = raw_objects(aws).items()
    ((name, given),) = aws.states.started.items()
    assert key == f"raw/2026/11/23/{name}/{name}.n3.ndjson.gz"
    assert len(name) == len("esm-") + 20
    assert given == {
        "bucket": "data",
        "prefix": f"raw/2026/11/23/{name}/",
        "manifest": f"manifests/{name}.json",
        "batches": 1,
        "messages": 3,
        "bytes": len(content),
        "concurrency": 10,
        "manifest_sha256": hashlib.sha256(aws.s3.objects[given["manifest"]]).hexdigest(),
    }
    items = parse_manifest(aws.s3.objects[given["manifest"]], "m")
    assert items == [Item(key, len(content), "load")]
    assert len(gzip.decompress(content).splitlines()) == 3


def test_lines_and_metrics_bear_the_name_of_the_execution_that_they_begin(aws: FakeAws, capsys):
    handler.stage(sqs_event("a", "b", "c"), None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = [line for line in lines if "MessagesStaged" in line]
    assert told["MessagesStaged"] == [3.0]
    assert told["QueueSeconds"][0] >= 0
    assert {line["execution"] for line in lines} == {told["execution"]}
    assert told["execution"].startswith("esm-")


def test_the_same_messages_in_another_order_are_the_same_object_and_execution(aws: FakeAws):
    event = sqs_event("a", "b", "c")
    handler.stage(event, None)
    before = dict(aws.s3.objects)
    event["Records"].reverse()
    assert handler.stage(event, None) == {"batchItemFailures": []}
    assert aws.s3.objects == before
    assert len(aws.states.started) == 1


def test_the_date_is_that_of_the_oldest_message(aws: FakeAws):
    handler.stage(sqs_event("a", "b", sent_ms=1_795_391_999_999), None)  # 2026-11-22T23:59:59.999Z
    assert all(key.startswith("raw/2026/11/22/") for key in raw_objects(aws))


def test_large_arrivals_become_several_objects(aws: FakeAws, monkeypatch):
    monkeypatch.setenv("BATCH_MESSAGES", "2")
    handler.stage(sqs_event("a", "b", "c", "d", "e"), None)
    ((name, given),) = aws.states.started.items()
    assert (given["batches"], given["messages"]) == (3, 5)
    assert [key.rpartition("/")[2] for key in raw_objects(aws)] == [
        f"{name}-0000.n2.ndjson.gz",
        f"{name}-0001.n2.ndjson.gz",
        f"{name}-0002.n1.ndjson.gz",
    ]


def test_only_the_messages_of_an_object_that_failed_come_again(aws: FakeAws, monkeypatch):
    monkeypatch.setenv("BATCH_MESSAGES", "2")
    event = sqs_event("a", "b", "c", "d", "e")
    aws.s3.fail("put_object", aws_error("SlowDown", 503), skip=1)
    result = handler.stage(event, None)
    assert failed(result) == sorted(ids(event))[2:4]
    ((_, given),) = aws.states.started.items()
    assert (given["batches"], given["messages"]) == (2, 3)
    assert len(parse_manifest(aws.s3.objects[given["manifest"]], "m")) == 2


def test_nothing_staged_starts_nothing(aws: FakeAws):
    event = sqs_event("a", "b")
    aws.s3.fail("put_object", aws_error("SlowDown", 503), times=9)
    assert sorted(failed(handler.stage(event, None))) == sorted(ids(event))
    assert aws.states.started == {}


@pytest.mark.parametrize(
    "error", [aws_error("ThrottlingException"), aws_error("AccessDenied", 403), OSError("away")]
)
def test_without_an_execution_all_messages_come_again(aws: FakeAws, error):
    event = sqs_event("a", "b")
    aws.states.fail("start_execution", error)
    assert sorted(failed(handler.stage(event, None))) == sorted(ids(event))
    assert len(raw_objects(aws)) == 1
    assert handler.stage(event, None) == {"batchItemFailures": []}
    assert len(raw_objects(aws)) == 1


def test_without_a_manifest_nothing_is_started_and_all_messages_come_again(aws: FakeAws):
    event = sqs_event("a", "b")
    aws.s3.fail("put_object", aws_error("SlowDown", 503), skip=1)
    assert sorted(failed(handler.stage(event, None))) == sorted(ids(event))
    assert aws.states.started == {}


def test_no_records_are_no_work(aws: FakeAws):
    assert handler.stage({"Records": []}, None) == {"batchItemFailures": []}
    assert aws.s3.calls == aws.states.calls == []


def test_the_payload_limit_of_the_state_machine_is_never_near(aws: FakeAws):
    handler.stage(sqs_event(*[str(number) for number in range(1000)]), None)
    ((_, given),) = aws.states.started.items()
    assert len(json.dumps(given)) < 500
