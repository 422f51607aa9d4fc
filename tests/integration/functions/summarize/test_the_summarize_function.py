import json

import pytest

from functions.summarize import handler
from telemetry.checksums import Checksum
from telemetry.errors import (
    BatchCorruptError,
    BatchMissingError,
    ConfigurationError,
    StorageUnavailableError,
)
from telemetry.layout import manifest_key, outcome_key
from telemetry.manifest import Item, manifest_body, parse_manifest
from tests.fixtures.aws_fakes import BUCKET, FakeAws, aws_error

PREFIX = "raw/2026/11/23/run/"
MANIFEST = manifest_key("run")
EVENT = {"bucket": BUCKET, "manifest": MANIFEST, "execution": "run"}


def stage(aws: FakeAws, name: str, outcome=None, prefix: str = PREFIX) -> str:
    """Add a batch to the manifest, and its outcome; returns the outcome's key."""
    key = f"{prefix}{name}.n1.ndjson.gz"
    known = aws.s3.objects.get(MANIFEST)
    items = parse_manifest(known, MANIFEST) if known else []
    aws.s3.objects[MANIFEST] = manifest_body([*items, Item(key, 1)])
    place = outcome_key(key, "run", outcome or "loaded")
    if outcome == "failed":
        body = {"status": "failed", "raw_key": key, "error": "E", "cause": "why"}
        aws.s3.objects[place] = json.dumps(body).encode()
    elif outcome:
        body = {"status": outcome, "raw_key": key, "read": 2, "inserted": 2}
        aws.s3.objects[place] = json.dumps(body).encode()
    return place


def test_it_reads_the_outcomes_of_its_own_execution(aws: FakeAws, monkeypatch):
    monkeypatch.setenv("TOLERATED_FAILURE_SHARE", "0.5")
    stage(aws, "one", "loaded")
    stage(aws, "two", "loaded")
    stage(aws, "three", "failed")
    stage(aws, "four")
    loaded = json.dumps({"status": "loaded", "raw_key": f"{PREFIX}four.n1.ndjson.gz"})
    other = outcome_key(f"{PREFIX}four.n1.ndjson.gz", "run-2", "loaded")
    aws.s3.objects[other] = loaded.encode()
    result = handler.handle(EVENT, None)
    assert result["status"] == "partial"
    assert (result["batches"], result["loaded"], result["failed"]) == (4, 2, 2)
    assert result["inserted"] == 4
    assert [f["error"] for f in result["failures"]] == ["BatchLost", "E"]


def test_an_outcome_that_can_not_be_read_leaves_its_batch_failed(aws: FakeAws):
    aws.s3.objects[stage(aws, "one", "loaded")] = b"{"
    assert handler.handle(EVENT, None)["failed"] == 1


def test_only_what_the_manifest_names_is_judged(aws: FakeAws):
    stage(aws, "one", "loaded")
    aws.s3.objects[f"{PREFIX}later.n1.ndjson.gz"] = b""
    elsewhere = f"{PREFIX}other.n1.ndjson.gz"
    aws.s3.objects[outcome_key(elsewhere, "run", "loaded")] = json.dumps(
        {"status": "loaded", "raw_key": elsewhere, "inserted": 2}
    ).encode()
    result = handler.handle(EVENT, None)
    assert (result["batches"], result["inserted"]) == (1, 2)


def test_batches_of_many_executions_are_found_by_a_few_listings(aws: FakeAws):
    for number in range(20):
        stage(aws, f"b{number}", "loaded", f"raw/2026/11/22/esm-{number}/")
    stage(aws, "one", "discarded")
    result = handler.handle(EVENT, None)
    assert (result["loaded"], result["discarded"], result["failed"]) == (20, 1, 0)
    assert aws.s3.calls.count("list_objects_v2") == 2


def test_a_manifest_that_is_gone_is_a_missing_batch(aws: FakeAws):
    with pytest.raises(BatchMissingError, match="manifests/run"):
        handler.handle(EVENT, None)


def test_an_outage_is_not_taken_for_a_failed_batch(aws: FakeAws):
    stage(aws, "one", "loaded")
    aws.s3.fail("get_object", aws_error("SlowDown", 503))
    with pytest.raises(StorageUnavailableError):
        handler.handle(EVENT, None)


def test_a_share_that_is_none_is_refused(aws: FakeAws, monkeypatch):
    monkeypatch.setenv("TOLERATED_FAILURE_SHARE", "2")
    with pytest.raises(ConfigurationError, match="TOLERATED_FAILURE_SHARE"):
        handler.handle(EVENT, None)


def test_another_manifest_than_the_input_names_fails_the_execution(aws: FakeAws):
    stage(aws, "one", "loaded")
    stage(aws, "two", "loaded")
    written = aws.s3.objects[MANIFEST]
    event = {**EVENT, "input": {"manifest_sha256": Checksum.of(written).sha256}}
    assert handler.handle(event, None)["batches"] == 2
    aws.s3.objects[MANIFEST] = manifest_body(parse_manifest(written, MANIFEST)[:1])
    with pytest.raises(BatchCorruptError, match=MANIFEST):
        handler.handle(event, None)
    assert (
        handler.handle({**EVENT, "input": {}}, None)["batches"] == 1
    )  # whose checksum nobody knows
