"""Which batches replay, backfill, release and discard mean: told by listings of S3 alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from etl.cli.main import app
from etl.operations.backfill import Backfill
from etl.operations.batch_selection import BatchFilter, NotFoundError, find_batches
from etl.operations.batches import batches_of
from etl.operations.quarantine import quarantined_batches
from etl.operations.reruns import chunks, execution_name, tally
from etl.operations.time_range import ALWAYS, TimeRange
from telemetry.contract import ContractSet
from telemetry.layout import manifest_key, outcome_key
from telemetry.manifest import Item, manifest_body
from tests.integration.etl.operations.conftest import FLEET, new_target, transforming

GOOD = {"device_id": "box-1", "readings": [{"ts": "2026-11-23T06:00:00Z", "temperature_c": 20}]}
BROKEN = b"\xff"
NOW = datetime.now(UTC)
TODAY, BEFORE = f"{NOW:%Y/%m/%d}", f"{NOW - timedelta(days=3):%Y/%m/%d}"


@pytest.fixture(scope="module")
def target(emulator):
    return new_target(emulator)


@pytest.fixture(scope="module")
def keys(target):
    """Four batches: one for each way to end, and one that has not been processed."""
    transformed = transforming(target)
    made = {
        "good": transformed("good", GOOD, day=BEFORE),
        "held": transformed("held", GOOD, BROKEN, day=TODAY),
        "lost": transformed("lost", BROKEN, client_id="box-2", day=TODAY),
        "fresh": transformed("fresh", GOOD, day=TODAY),
    }
    ends = {"good": "loaded", "held": "quarantined", "lost": "failed"}
    for batch, status in ends.items():
        put(target, outcome_key(made[batch], "E1", status))
    processed = [Item(made[batch], 1) for batch in ends]
    put(target, manifest_key("E1"), manifest_body(processed))
    return made


def put(target, key, body=b"{}"):
    target.client("s3").put_object(Bucket=target.bucket, Key=key, Body=body)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, ["good", "fresh", "held", "lost"]),
        ({"executions": ("E1",)}, ["good", "held", "lost"]),
        ({"executions": ("arn:aws:states:eu-west-1:1:execution:m:E1",), "failed": True}, ["lost"]),
        ({"executions": ("E1",), "batches": ("fresh", "lost")}, ["lost"]),
        ({"batches": ("lost", "good", "lost")}, ["lost", "good"]),
        ({"failed": True}, ["lost"]),
        ({"reasons": ("not_utf8",)}, ["held", "lost"]),
        ({"reasons": ("missing",)}, []),
        ({"reasons": ("not_utf8",), "devices": ("box-2",)}, ["lost"]),
        ({"time_range": TimeRange(NOW - timedelta(days=9), NOW - timedelta(hours=1))}, []),
    ],
)
def test_all_that_is_said_must_hold(target, keys, choice, expected):
    found = [batch.raw.batch_id for batch in find_batches(target, BatchFilter(**choice))]
    assert sorted(found) == sorted(expected)
    assert len(found) == len(expected)


def test_many_folders_are_sought_by_day(emulator):
    target, made = new_target(emulator), []
    for number in range(25):
        key = f"raw/{TODAY}/esm-{number}/esm-{number}.n1.ndjson.gz"
        put(target, key)
        made.append(key)
    put(target, manifest_key("E2"), manifest_body(Item(key, 2) for key in made[:23]))
    found = [batch.key for batch in find_batches(target, BatchFilter(executions=("E2",)))]
    assert found == sorted(made[:23])


@pytest.mark.parametrize("choice", [{"executions": ("E9",)}, {"batches": ("none",)}])
def test_a_name_that_is_not_there_is_reported(target, keys, choice):
    with pytest.raises(NotFoundError):
        list(find_batches(target, BatchFilter(**choice)))


def test_nothing_staged_is_nothing_chosen(emulator):
    assert list(find_batches(new_target(emulator), BatchFilter())) == []


def test_what_is_held_is_reported_with_the_reason(target, keys):
    report = {"accepted": 1, "verdict": "quarantine"}
    sentence = "Half of it was rejected."
    report["findings"] = [
        {"level": "quarantine", "sentence": sentence},
        {"level": "warn", "sentence": "And it came late."},
    ]
    put(target, "reports/held.json", json.dumps(report).encode())
    (only,) = quarantined_batches(target, ALWAYS)
    assert (only.batch.raw.batch_id, only.accepted, only.why) == ("held", 1, [sentence])
    released = outcome_key(keys["held"], "release-1", "loaded")
    put(target, released)
    assert list(quarantined_batches(target, ALWAYS)) == []
    target.client("s3").delete_object(Bucket=target.bucket, Key=released)


def test_the_same_batches_have_the_same_name_in_any_order(target, keys):
    batches = batches_of(target, list(keys.values()))
    name = execution_name("replay", batches, "replay", "digest")
    assert name == execution_name("replay", batches[::-1], "replay", "digest")
    others = [
        execution_name("replay", batches[1:], "replay", "digest"),
        execution_name("replay", batches, "release", "digest"),
        execution_name("replay", batches, "replay", "another"),
    ]
    assert len({name, *others}) == 4


def test_pieces_hold_every_batch_once(target, keys):
    batches = batches_of(target, list(keys.values()))
    assert [len(part) for part in chunks(batches, 3)] == [3, 1]
    told = str(tally(batches))
    assert told == "4 micro-batches of 5 messages (1 failed, 1 loaded, 1 quarantined, 1 staged)"


def test_what_a_person_has_given_up_is_not_replayed(target, keys, monkeypatch):
    monkeypatch.setattr("etl.cli.replay.target_of", lambda _: target)
    monkeypatch.setitem(target.outputs, "ContractDigest", "digest")
    monkeypatch.setitem(target.outputs, "ContractName", "fleet")
    given_up = outcome_key(keys["held"], "discard-1", "discarded")
    put(target, given_up)
    try:
        result = CliRunner().invoke(app, ["replay", "--batch", "held", "--yes"])
        left = [batch.raw.batch_id for batch in Backfill.of(target, ALWAYS).left()]
    finally:
        target.client("s3").delete_object(Bucket=target.bucket, Key=given_up)
    assert result.exit_code == 0
    assert "Skipped: 1 discarded micro-batch" in result.output
    assert "held" not in left
    assert len(left) == 3


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["replay"], "Select batches"),
        (["replay", "--from", "2026-11-24", "--to", "2026-11-24"], "the end is excluded"),
        (["replay", "--execution", "E9"], "No execution 'E9'"),
        (["quarantine", "release"], "or --all"),
        (["quarantine", "discard", "held", "--all"], "or --all"),
        (["backfill", "--from", "soon", "--to", "later"], "not a valid time: 'soon'"),
    ],
)
def test_a_command_that_could_mean_too_much_is_refused(target, monkeypatch, command, told):
    for module in ("replay", "quarantine"):
        monkeypatch.setattr(f"etl.cli.{module}.target_of", lambda _: target)
    monkeypatch.setitem(target.outputs, "ContractDigest", "digest")
    monkeypatch.setitem(target.outputs, "ContractName", "fleet")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert told in " ".join(result.output.split())


def test_what_a_contract_loaded_stays_once_the_pipeline_has_it_no_more(emulator, monkeypatch):
    """Its rows would be rejects as well, and its Parquet objects would be emptied."""
    target = new_target(emulator)
    monkeypatch.setattr("etl.cli.replay.target_of", lambda _: target)
    monkeypatch.setitem(target.outputs, "ContractDigest", "digest")
    monkeypatch.setitem(target.outputs, "ContractName", "fleet")
    for name, status in (("done", "loaded"), ("held", "quarantined"), ("lost", "failed")):
        key = f"raw/{TODAY}/E1/{name}.gone.n1.ndjson.gz"
        put(target, key)
        put(target, outcome_key(key, "E1", status))
    result = CliRunner().invoke(app, ["replay", "--batch", "done", "--yes"])
    assert result.exit_code == 0
    assert "Skipped: 1 loaded micro-batch of contracts that the pipeline has no more" in (
        " ".join(result.output.split())
    )
    assert {batch.raw.batch_id for batch in Backfill.of(target, ALWAYS).all()} == {"held", "lost"}


def test_what_another_contract_loaded_as_the_first_one_is_not_read_by_the_next(
    emulator, monkeypatch
):
    """Keys don't name the first contract. Removed and listed again, it is a further one, and its
    readings would become rows in the other one's table."""
    target = new_target(emulator)
    other = replace(FLEET, name="other", table="other")
    target.__dict__["contracts"] = ContractSet((other, FLEET))
    monkeypatch.setattr("etl.cli.replay.target_of", lambda _: target)
    monkeypatch.setitem(target.outputs, "FurtherContracts", FLEET.name)
    by = {"old": FLEET.name, "own": "other", "before": "removed since"}
    monkeypatch.setattr(
        "etl.operations.replaying.loaded_by",
        lambda _, batches: {b.raw.batch_id: by[b.raw.batch_id] for b in batches},
    )
    for name in by:
        key = f"raw/{TODAY}/E1/{name}.n1.ndjson.gz"
        put(target, key)
        put(target, outcome_key(key, "E1", "loaded"))
    result = CliRunner().invoke(app, ["replay", "--batch", "old", "--yes"])
    assert result.exit_code == 0
    told = " ".join(result.output.split())
    assert "Skipped: 1 micro-batch that another contract loaded when it was the first one" in told
    assert "other would read them now" in told
    left = {batch.raw.batch_id for batch in Backfill.of(target, ALWAYS).all()}
    assert left == {"own", "before"}
