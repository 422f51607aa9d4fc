"""The main job: messy devices over MQTT, through the queue trigger, to rows that add up."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.aws.target import Target
from etl.cli.sweep import invoke_sweep
from etl.operations.executions import follow, latest, start
from etl.operations.metrics import all_signals, read
from etl.operations.publishing import FleetPlan, publish_file, simulate
from etl.operations.traces import load_trace
from tests.end_to_end.conftest import account, killing_one, shorten_grace

pytestmark = pytest.mark.timeout(900)

CONTRACT = "contracts/fleet.toml"
PATIENCE_SECONDS = 120
PLAN = FleetPlan(
    devices=5, rate=100, duration=3, readings_per_message=10, mess=0.1, seed=3, least=300
)


def test_every_reading_of_a_messy_fleet_is_accounted_for(pipeline: Target) -> None:
    receipt = simulate(pipeline, pipeline.contract, PLAN)
    found = account(pipeline)
    assert found.problems() == []
    assert receipt.rejected
    assert receipt.duplicates
    assert found.rows == receipt.rows


def test_the_metrics_agree_with_the_ledger_to_the_unit(pipeline: Target) -> None:
    ledger = account(pipeline).ledger
    since = datetime.now(UTC) - timedelta(hours=1)
    expected = {
        "ReadingsRead": ledger.read,
        "ReadingsInserted": ledger.inserted,
        "ReadingsUpdated": ledger.updated,
        "ReadingsUnchanged": ledger.unchanged,
        "ReadingsDuplicate": ledger.duplicates,
        "ReadingsRejected": ledger.rejected,
    }
    for reason in ("missing", "not_json", "out_of_range"):
        counted = sum(n for r, n in ledger.rejected_by.items() if r.partition(":")[0] == reason)
        expected[f"ReadingsRejectedByReason/{reason}"] = counted
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:  # a function's metrics are there once it has ended, a moment after its row
        found = {s.signal.name: s for s in read(pipeline, all_signals(pipeline), since=since)}
        told = {name: found[name].total for name in expected}
        if told == expected:
            break
        assert time.monotonic() < deadline, (told, expected)
        time.sleep(0.5)
    # Seconds, not milliseconds; a busy machine may take some hundred of them.
    assert 0 < found["ArrivalToRowSeconds"].total < 600
    assert 0 < found["NewestArrivalToRowSeconds"].total < 600
    assert 0 < found["LagMedianSeconds"].total < 600


def test_every_line_of_every_function_says_whose_it_is(pipeline: Target) -> None:
    for name in ("Stage", "Transform", "Validate", "Load", "Summarize"):
        lines = _lines(pipeline, name)
        assert [line for line in lines if "_aws" in line], name
        assert [line for line in lines if "message" in line], name
        known = {"execution", "request_id", "xray_trace_id", "function"}
        if name in ("Transform", "Validate", "Load"):
            known.add("batch_id")
        for line in lines:
            assert known <= {key for key, value in line.items() if value}, line


def test_the_same_file_published_twice_adds_no_row(pipeline: Target, tmp_path: Path) -> None:
    lines = [
        json.dumps({"device_id": "box-1", "ts": f"2026-11-01T00:00:{n:02d}Z", "temperature_c": n})
        for n in range(60)
    ]
    path = tmp_path / "readings.ndjson"
    path.write_text("\n".join(lines))
    before = account(pipeline).rows
    publish_file(pipeline, pipeline.contract, path, readings_per_message=7)
    once = account(pipeline)
    publish_file(pipeline, pipeline.contract, path, readings_per_message=7)
    twice = account(pipeline)
    assert once.rows == before + 60
    assert twice.rows == once.rows
    assert twice.ledger.unchanged + twice.ledger.duplicates >= 60
    assert twice.problems() == []


def test_basic_ingest_brings_the_same_readings_under_the_same_topic(pipeline: Target) -> None:
    before, staged = account(pipeline), _raw_keys(pipeline)
    plan = FleetPlan(2, 50, 1, 10, mess=0, seed=8, name="direct", basic_ingest=True)
    receipt = simulate(pipeline, pipeline.contract, plan)
    found = account(pipeline)
    assert found.problems() == []
    assert found.rows == before.rows + receipt.rows
    newest = _raw_keys(pipeline) - staged
    assert newest
    for key in newest:
        raw = pipeline.client("s3").get_object(Bucket=pipeline.bucket, Key=key)["Body"].read()
        topics = {json.loads(line)["topic"] for line in gzip.decompress(raw).splitlines()}
        assert topics <= {"telemetry/fleet/direct-0001", "telemetry/fleet/direct-0002"}


def test_an_execution_started_by_hand_has_one_trace_with_every_stage(pipeline: Target) -> None:
    raw = pipeline.client("s3").list_objects_v2(Bucket=pipeline.bucket, Prefix="raw/")
    prefix = raw["Contents"][0]["Key"].rpartition("/")[0] + "/"
    *_, (execution, states) = follow(pipeline, start(pipeline, {"prefix": prefix}))
    assert execution.status == "SUCCEEDED", execution
    assert states[0].name
    trace = _wait_for_trace(pipeline, execution.arn)
    names = " ".join(span["name"].lower() for span in trace["spans"])
    for stage in ("extract", "transform", "validate", "load", "summarize"):
        assert stage in names, names
    # Below each function are its own steps, and X-Ray finds both execution and batch.
    own = {span["name"]: span["annotations"] for span in trace["spans"] if span["own"]}
    assert {"list staged", "clean", "judge", "load batch", "read outcomes"} <= set(own)
    for handler in ("extract.drain", "transform.handle", "validate.handle", "load.handle"):
        assert own[handler]["execution"] == execution.name
    assert own["load.handle"]["batch_id"] == own["transform.handle"]["batch_id"]


def _raw_keys(target: Target) -> set[str]:
    found = target.client("s3").list_objects_v2(Bucket=target.bucket, Prefix="raw/")
    return {stored["Key"] for stored in found.get("Contents", ())}


def _lines(target: Target, function: str) -> list[dict[str, Any]]:
    """What a function has logged, once it has: the last of an execution may still be at work."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    group = target.outputs[f"{function}LogGroupName"]
    while time.monotonic() < deadline:
        events = target.client("logs").filter_log_events(logGroupName=group)["events"]
        if lines := [json.loads(e["message"]) for e in events if e["message"].startswith("{")]:
            return lines
        time.sleep(0.3)
    raise AssertionError(f"{function} has logged nothing")


def _wait_for_trace(target: Target, arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        trace = load_trace(target, arn)
        if trace is not None and "read outcomes" in str(trace):
            return trace
        time.sleep(0.3)
    raise AssertionError("no trace arrived")


@pytest.mark.parametrize("function", ["stage", "transform", "validate", "load", "summarize"])
def test_killing_a_function_in_the_middle_loses_and_doubles_nothing(
    pipeline: Target, function: str
) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with killing_one(pipeline, function) as killed:
        while True:
            simulate(pipeline, pipeline.contract, PLAN)
            found = account(pipeline)
            if killed:
                break
            assert time.monotonic() < deadline, f"no process of {function} was seen at work"
    # What Stage had staged without starting an execution is the sweep's, which comes once a day.
    shorten_grace(pipeline)
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    while found.problems() and time.monotonic() < deadline:
        invoke_sweep(pipeline, None, dry_run=False)
        time.sleep(1)
        found = account(pipeline)
    assert found.problems() == []


def test_executions_are_started_by_the_queue(pipeline: Target) -> None:
    assert any(e.name.startswith("esm-") for e in latest(pipeline, 100))
