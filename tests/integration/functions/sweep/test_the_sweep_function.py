"""The function around the decision: what it reads, what it starts, and that it starts it once."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from functions.sweep import handler
from telemetry.errors import StorageUnavailableError
from telemetry.layout import day_prefix, manifest_key, outcome_key, raw_key
from telemetry.manifest import Item, manifest_body, parse_manifest
from tests.fixtures.aws_fakes import BUCKET, FakeAws, LambdaContext, aws_error
from tests.fixtures.frozen_clock import freeze

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.fixture
def sweep(aws: FakeAws, monkeypatch):
    freeze(monkeypatch, handler, NOW)
    monkeypatch.setenv("MAX_CONCURRENCY", "4")
    monkeypatch.setenv("SWEEP_GRACE_SECONDS", "60")
    return lambda **event: handler.handle(event, LambdaContext())


def put(aws: FakeAws, key: str, body: bytes, age: float) -> str:
    aws.s3.objects[key] = body
    aws.s3.modified[key] = ago(age)
    return key


def stage(aws: FakeAws, name: str, *, execution: str = "dead", age: float = 100, days: int = 0):
    prefix = f"{day_prefix(ago(days * 86400).date())}{execution}/"
    return put(aws, raw_key(prefix, name, 2), b"x" * 10, age)


def end(aws: FakeAws, key: str, status: str, *, error: str = "", age: float = 90, by: str = "run"):
    body = json.dumps({"status": status, "raw_key": key, "error": error})
    return put(aws, outcome_key(key, by, status), body.encode(), age)


def test_what_no_execution_processes_is_started_as_one_execution(aws: FakeAws, sweep):
    lost = [stage(aws, name, execution=name) for name in ("b", "a")]
    end(aws, stage(aws, "fine"), "loaded")
    stage(aws, "fresh", age=1)
    result = sweep()
    ((name, given),) = aws.states.started.items()
    assert (result["execution"], result["started"]) == (name, 2)
    assert (result["due"], result["settled"], result["young"]) == (2, 1, 1)
    assert given == {
        "bucket": BUCKET,
        "manifest": manifest_key(name),
        "batches": 2,
        "messages": 4,
        "bytes": 20,
        "concurrency": 4,
        "manifest_sha256": hashlib.sha256(aws.s3.objects[manifest_key(name)]).hexdigest(),
    }
    items = parse_manifest(aws.s3.objects[manifest_key(name)], "m")
    assert items == [Item(key, 10, "load") for key in sorted(lost)]


def test_nothing_lost_starts_nothing(aws: FakeAws, sweep):
    end(aws, stage(aws, "fine"), "quarantined")
    assert sweep()["execution"] is None
    assert aws.states.started == {}
    assert aws.s3.calls.count("put_object") == 0


def test_a_dry_run_only_looks(aws: FakeAws, sweep):
    stage(aws, "lost")
    result = sweep(dry_run=True)
    assert (result["due"], result["started"], result["execution"]) == (1, 0, None)
    assert aws.states.started == {}


def test_batches_of_a_running_execution_are_left_alone(aws: FakeAws, sweep):
    drain, replay, listing = "drain", "replay", "listing"
    aws.states.started |= {
        drain: {},
        replay: {"manifest": manifest_key(replay)},
        listing: {"prefix": f"{day_prefix(ago(0).date())}old/"},
    }
    stage(aws, "drained", execution=drain)
    replayed = stage(aws, "replayed")
    aws.s3.objects[manifest_key(replay)] = manifest_body([Item(replayed, 10, "replay")])
    stage(aws, "listed", execution="old")
    result = sweep()
    assert (result["running"], result["due"], result["execution"]) == (3, 0, None)
    for name in (drain, replay, listing):
        aws.states.ended[name] = ago(0)
    assert sweep()["due"] == 3


def test_failures_are_distinguished_by_their_last_error(aws: FakeAws, sweep):
    keys = {name: stage(aws, name) for name in ("busy", "corrupt", "moment", "unknown")}
    end(aws, keys["busy"], "failed", error="BatchCorruptError", age=99, by="first")
    end(aws, keys["busy"], "failed", error="DatabaseBusyError", age=1000, by="later")
    end(aws, keys["busy"], "failed", error="DatabaseBusyError", age=300, by="latest")
    aws.s3.modified[outcome_key(keys["busy"], "first", "failed")] = ago(7200)
    end(aws, keys["corrupt"], "failed", error="BatchCorruptError")
    end(aws, keys["moment"], "failed", error="DatabaseBusyError", age=30)
    for number in range(10):
        end(aws, keys["unknown"], "failed", error="Lambda.Unknown", age=9999, by=f"run-{number}")
    result = sweep()
    assert {name: result[name] for name in ("due", "permanent", "waiting", "exhausted")} == {
        "due": 1,
        "permanent": 1,
        "waiting": 1,
        "exhausted": 1,
    }
    assert result["for_a_person"] == [keys["corrupt"], keys["unknown"]]
    (given,) = aws.states.started.values()
    assert [item.key for item in parse_manifest(aws.s3.objects[given["manifest"]], "m")] == [
        keys["busy"]
    ]


def test_two_sweeps_at_once_start_one_execution(aws: FakeAws, sweep, monkeypatch):
    for name in ("a", "b", "c"):
        stage(aws, name)
    both, real = threading.Barrier(2), handler.start

    def together(*given, **more):
        both.wait()
        return real(*given, **more)

    monkeypatch.setattr(handler, "start", together)
    found: list[dict] = []
    threads = [threading.Thread(target=lambda: found.append(sweep())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (name,) = aws.states.started
    assert [result["execution"] for result in found] == [name, name]


def test_an_execution_that_ended_without_a_trace_is_followed_by_another(aws: FakeAws, sweep):
    stage(aws, "lost")
    first = sweep()["execution"]
    aws.states.ended[first] = ago(10)
    assert sweep()["execution"] is None, "its outcomes may not have been seen yet"
    aws.states.ended[first] = ago(61)
    second = sweep()["execution"]
    assert second == f"{first}-1"
    assert set(aws.states.started) == {first, second}


def test_after_a_failure_the_next_execution_has_another_name(aws: FakeAws, sweep):
    key = stage(aws, "unlucky")
    first = sweep()["execution"]
    aws.states.ended[first] = ago(0)
    end(aws, key, "failed", error="DatabaseUnavailableError", age=61, by=first)
    second = sweep()["execution"]
    assert second.startswith("sweep-")
    assert not second.startswith(first)


def test_only_so_many_days_are_looked_at(aws: FakeAws, sweep):
    stage(aws, "old", execution="dead-1", days=20)
    stage(aws, "week", execution="dead-2", days=7)
    assert sweep(days=3, dry_run=True)["due"] == 0
    assert sweep(dry_run=True)["due"] == 1
    assert sweep(days=30, dry_run=True)["due"] == 2


def test_more_than_an_execution_takes_is_left_to_the_next_sweep(aws: FakeAws, sweep, monkeypatch):
    monkeypatch.setattr(handler, "MOST_BATCHES", 2)
    keys = [stage(aws, f"b{n}", age=1000 - n) for n in range(5)]
    result = sweep()
    assert (result["due"], result["started"]) == (5, 2)
    sweep()
    sweep()
    covered = [
        item.key
        for name in aws.states.started
        for item in parse_manifest(aws.s3.objects[manifest_key(name)], "m")
    ]
    assert covered == keys
    assert sweep()["running"] == 5


def test_an_outage_is_no_reason_to_start_anything(aws: FakeAws, sweep):
    stage(aws, "lost")
    aws.s3.fail("list_objects_v2", aws_error("SlowDown", 503))
    with pytest.raises(StorageUnavailableError):
        sweep()
    assert aws.states.started == {}


def test_an_outcome_that_can_not_be_read_is_a_failure_of_unknown_kind(aws: FakeAws, sweep):
    key = stage(aws, "odd")
    aws.s3.objects[end(aws, key, "failed")] = b"{"
    assert sweep()["due"] == 1
