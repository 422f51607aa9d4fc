"""Replays of the same batches are one execution while it runs, and follow it to its end."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.operations.backfill import Backfill
from etl.operations.batches import Batch, batches_of
from etl.operations.executions import describe, execution_arn, latest
from etl.operations.reruns import rerun
from etl.operations.time_range import TimeRange
from tests.integration.etl.deployment.conftest import Account


@pytest.fixture
def target(account: Account, deployed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Target:
    clients = {name: account.client(name) for name in ("s3", "stepfunctions", "cloudformation")}
    found = Target("standing", _clients=clients)
    monkeypatch.setattr("etl.cli.replay.target_of", lambda _: found)
    return found


@pytest.fixture
def batches(target: Target) -> Iterator[list[Batch]]:
    """Three batches that hold no gzip, so that each of them fails soon and for good."""
    tag, day = uuid.uuid4().hex[:8], datetime.now(UTC)
    keys = [f"raw/{day:%Y/%m/%d}/again-{tag}/{tag}-{n}.n1.ndjson.gz" for n in range(3)]
    s3 = target.client("s3")
    for key in keys:
        s3.put_object(Bucket=target.bucket, Key=key, Body=b"no gzip")
    yield batches_of(target, keys)
    for key in keys:
        s3.delete_object(Bucket=target.bucket, Key=key)


def test_what_runs_is_followed_and_what_has_ended_gets_a_number(
    account: Account, deployed: dict[str, str], target: Target, batches: list[Batch]
) -> None:
    # Throttled, the last step keeps the execution running until the second command has found it.
    last = {"FunctionName": deployed["SummarizeFunctionName"]}
    account.client("lambda").put_function_concurrency(**last, ReservedConcurrentExecutions=0)
    try:
        first = rerun(target, batches, "replay", kind="replay", concurrency=1)
        name = next(first).execution.name
        # Somebody else gives the same command, with another concurrency.
        second = rerun(target, batches[::-1], "replay", kind="replay", concurrency=2)
        assert next(second).execution.name == name
    finally:
        account.client("lambda").delete_function_concurrency(**last)
    *_, end = second
    assert end.execution.name == name
    assert (end.done, end.failed, end.total) == (3, 3, 3)
    *_, same = first
    assert same.execution.error == "BatchesFailed"
    *_, again = rerun(target, batches, "replay", kind="replay", concurrency=1)
    assert again.execution.name == f"{name}-2"


def test_the_command_of_the_mail_repeats_the_execution(
    target: Target, batches: list[Batch]
) -> None:
    *_, end = rerun(target, batches, "load", kind="load")
    (command,) = (
        line.split()
        for line in (end.execution.cause or "").splitlines()
        if line.startswith("  etl ")
    )
    dry = CliRunner().invoke(app, [*command[1:], "--dry-run"])
    assert "3 micro-batches of 3 messages (3 failed)" in dry.output
    result = CliRunner().invoke(app, command[1:], input="y\n")
    assert result.exit_code == 1  # they still hold no gzip
    assert "Load them again?" in result.output
    newest = latest(target, 1)[0]
    assert newest.name.startswith("replay-")
    assert newest.name in result.output
    assert describe(target, execution_arn(target, newest.name)).input["batches"] == 3


def test_a_backfill_leaves_no_batch_out_and_tries_failed_ones_again(
    target: Target, batches: list[Batch]
) -> None:
    # S3 tells times in seconds, and the backfill begins with one in which nothing else was staged.
    staged = max(batch.staged_at for batch in batches) + timedelta(seconds=1)
    while datetime.now(UTC) <= staged:
        time.sleep(0.05)
    s3 = target.client("s3")
    for batch in batches:
        s3.put_object(Bucket=target.bucket, Key=batch.key, Body=b"still no gzip")
    began = min(batch.staged_at for batch in batches_of(target, [b.key for b in batches]))
    work = Backfill.of(target, TimeRange(began, began + timedelta(hours=1)))
    ended = [step for step in work.run(size=2, concurrency=2) if step.ended]
    assert [step.failed for step in ended] == [2, 1]
    whole, left = work.tallies()
    assert (whole.batches, left.batches) == (3, 3)
    assert work.running() == []
