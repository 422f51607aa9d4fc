import json

import pytest

from functions.summarize import handler
from telemetry.errors import ConfigurationError, StorageUnavailableError
from telemetry.layout import outcome_key
from tests.fixtures.aws_fakes import BUCKET, FakeAws, aws_error

PREFIX = "raw/2026/11/23/run/"
EVENT = {"bucket": BUCKET, "prefix": PREFIX, "execution": "run"}


def stage(aws: FakeAws, name: str, outcome=None) -> None:
    key = f"{PREFIX}{name}.n1.ndjson.gz"
    aws.s3.objects[key] = b""
    if outcome == "failed":
        body = {"status": "failed", "raw_key": key, "error": "E", "cause": "why"}
        aws.s3.objects[f"outcomes/run/failed/{name}.n1.ndjson.gz.json"] = json.dumps(body).encode()
    elif outcome:
        body = {"status": outcome, "raw_key": key, "read": 2, "inserted": 2}
        aws.s3.objects[outcome_key("run", name)] = json.dumps(body).encode()


def test_it_reads_the_outcomes_of_its_own_execution(aws: FakeAws, monkeypatch):
    monkeypatch.setenv("TOLERATED_FAILURE_SHARE", "0.5")
    stage(aws, "one", "loaded")
    stage(aws, "two", "loaded")
    stage(aws, "three", "failed")
    stage(aws, "four")
    aws.s3.objects["outcomes/run-2/four.json"] = aws.s3.objects[outcome_key("run", "one")]
    result = handler.handle(EVENT, None)
    assert result["status"] == "partial"
    assert (result["batches"], result["loaded"], result["failed"]) == (4, 2, 2)
    assert result["inserted"] == 4
    assert [f["error"] for f in result["failures"]] == ["BatchLost", "E"]


def test_an_outcome_that_can_not_be_read_leaves_its_batch_failed(aws: FakeAws):
    stage(aws, "one", "loaded")
    aws.s3.objects[outcome_key("run", "one")] = b"{"
    assert handler.handle(EVENT, None)["failed"] == 1


def test_other_objects_under_the_prefix_are_no_batches(aws: FakeAws):
    stage(aws, "one", "loaded")
    aws.s3.objects[f"{PREFIX}notes.txt"] = b""
    assert handler.handle(EVENT, None)["batches"] == 1


def test_an_outage_is_not_taken_for_a_failed_batch(aws: FakeAws):
    stage(aws, "one", "loaded")
    aws.s3.fail("get_object", aws_error("SlowDown", 503))
    with pytest.raises(StorageUnavailableError):
        handler.handle(EVENT, None)


def test_a_share_that_is_none_is_refused(aws: FakeAws, monkeypatch):
    monkeypatch.setenv("TOLERATED_FAILURE_SHARE", "2")
    with pytest.raises(ConfigurationError, match="TOLERATED_FAILURE_SHARE"):
        handler.handle(EVENT, None)
