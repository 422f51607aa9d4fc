"""Batches and their histories by listings alone, and sending them through the workflow again."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest

from etl.aws.target import Target
from etl.cli.sweep import invoke_sweep
from etl.operations import batches as staged
from etl.operations.executions import describe, follow
from telemetry.layout import day_prefix, manifest_key, outcome_key, raw_key
from telemetry.manifest import Item

DAY = date(2026, 10, 3)


@pytest.fixture(scope="module")
def target(deployed, emulator):
    """The standing stack: its functions run, its database does not."""
    local = SimpleNamespace(**vars(emulator))
    return Target("standing", emulator.region, None, emulator.folder, local)


def put(target: Target, key: str, body: bytes = b"x") -> str:
    target.client("s3").put_object(Bucket=target.bucket, Key=key, Body=body)
    return key


@pytest.fixture
def keys(target):
    """Three raw objects: one loaded after a failure, one failed, one without any outcome."""
    prefix = f"{day_prefix(DAY)}{uuid.uuid4().hex[:8]}/"
    made = [
        put(target, raw_key(prefix, f"{name}-{uuid.uuid4().hex[:8]}", 3), b"x" * size)
        for size, name in enumerate("abc", 1)
    ]
    put(target, f"{prefix}notes.txt")
    for key, execution, status in (
        (made[0], "first", "failed"),
        (made[1], "first", "failed"),
        (made[0], "second", "loaded"),
    ):
        put(target, outcome_key(key, execution, status))
    yield made
    for key in made:
        target.client("s3").delete_object(Bucket=target.bucket, Key=key)


def test_each_batch_is_listed_with_its_history(target, keys):
    found = list(staged.batches_between(target, DAY, DAY))
    assert [batch.key for batch in found] == keys
    assert [batch.status for batch in found] == ["loaded", "failed", "staged"]
    assert [batch.settled for batch in found] == [True, False, False]
    assert {outcome.execution for outcome in found[0].outcomes} == {"first", "second"}
    assert [(batch.size, batch.raw.messages) for batch in found] == [(1, 3), (2, 3), (3, 3)]


def test_other_days_are_left_out(target, keys):
    assert list(staged.batches_between(target, date(2026, 10, 4), date(2026, 10, 5))) == []


def test_a_batch_is_found_by_its_id_or_key(target, keys):
    (known,) = staged.batches_of(target, [keys[1], keys[1], "raw/2026/10/03/gone/a.n1.ndjson.gz"])
    assert known.raw.batch_id.startswith("b-")
    days = (datetime.now(UTC).date() - DAY).days + 2
    assert staged.batch(target, known.raw.batch_id, days=days) == known
    assert staged.batch(target, "no-such-batch", days=2) is None


def manifest_body(target, name):
    answer = target.client("s3").get_object(Bucket=target.bucket, Key=manifest_key(name))
    return answer["Body"].read()


def test_batches_started_over_are_one_execution_with_a_manifest(target, keys):
    chosen = staged.batches_of(target, keys[1:])
    name = f"replay-{uuid.uuid4().hex[:8]}"
    arn = staged.start_over(target, chosen, "replay", name=name, concurrency=1)
    assert describe(target, arn).input == {
        "bucket": target.bucket,
        "manifest": manifest_key(name),
        "manifest_sha256": hashlib.sha256(manifest_body(target, name)).hexdigest(),
        "batches": 2,
        "messages": 6,
        "bytes": 5,
        "concurrency": 1,
    }
    assert staged.manifest_of(target, name) == [Item(b.key, b.size, "replay") for b in chosen]
    *_, (ended, _) = follow(target, arn)
    assert ended.error == "BatchesFailed"  # they hold no gzip
    assert f"etl replay --execution {name}" in ended.cause
    last = staged.batches_of(target, keys[1:])[1].outcomes[-1]
    assert (last.execution, last.status) == (name, "failed")
    stored = target.client("s3").get_object(
        Bucket=target.bucket, Key=outcome_key(keys[2], name, "failed")
    )
    assert json.loads(stored["Body"].read())["error"] == "BatchCorruptError"


def test_a_name_is_not_given_to_other_batches(target, keys):
    batches = staged.batches_of(target, keys)
    name = f"replay-{uuid.uuid4().hex[:8]}"
    first = staged.start_over(target, batches[:1], "load", name=name)
    with pytest.raises(ValueError, match="another name"):
        staged.start_over(target, batches[1:], "load", name=name)
    assert [item.key for item in staged.manifest_of(target, name)] == keys[:1]
    *_, (ended, _) = follow(target, first)
    assert ended.input["concurrency"] == 2


def test_nothing_is_no_execution(target):
    with pytest.raises(ValueError, match="1 to 10000"):
        staged.start_over(target, [], "load", name="none")
    assert staged.manifest_of(target, "never-was") == []


def test_the_deployed_sweep_leaves_what_failed_for_good_and_names_it(target):
    prefix = f"{day_prefix(datetime.now(UTC).date())}{uuid.uuid4().hex[:8]}/"
    corrupt, fresh = (put(target, raw_key(prefix, name, 1)) for name in ("corrupt", "fresh"))
    name = f"replay-{uuid.uuid4().hex[:8]}"
    arn = staged.start_over(target, staged.batches_of(target, [corrupt]), "load", name=name)
    *_, (ended, _) = follow(target, arn)
    assert ended.status == "FAILED"
    found = invoke_sweep(target, 2, dry_run=False)
    assert corrupt in found["for_a_person"]
    assert (found["permanent"], found["young"], found["due"]) == (1, 1, 0)
    assert found["execution"] is None
    for key in (corrupt, fresh):
        target.client("s3").delete_object(Bucket=target.bucket, Key=key)
