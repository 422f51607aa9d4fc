"""Ctrl-C while publishing: the receipt counts what the broker took over, and the account closes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etl.aws.sqs import queue_depth
from etl.aws.target import Target
from etl.operations.executions import follow, start
from etl.operations.receipts import read_receipts
from etl.operations.reconciliation import Reconciliation, gather

CONTRACT = "contracts/fleet.toml"
TRIGGER = "schedule"  # which never comes: only this test starts anything

pytestmark = pytest.mark.slow


def waiting(target: Target) -> int:
    return queue_depth(target.client("sqs"), target.outputs["QueueUrl"]).total


def interrupted(target: Target, *command: str) -> None:
    """Give a command, and press Ctrl-C once its messages have reached the queue."""
    given = ["--stack", target.stack, "--state", str(target.state), *command]
    process = subprocess.Popen(
        [sys.executable, "-m", "etl.cli.main", *given],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    before, deadline = waiting(target), time.monotonic() + 120
    while waiting(target) < before + 50:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) != 0


def drained(target: Target) -> Reconciliation:
    while waiting(target):
        *_, (execution, _) = follow(target, start(target, {}))
        assert execution.status == "SUCCEEDED"
    return gather(target)


@pytest.mark.parametrize("kind", ["simulate", "publish"])
def test_ctrl_c_makes_no_false_loss(pipeline: Target, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "readings.ndjson"
    file.write_text("\n".join(
        f'{{"device_id": "box-1", "readings": [{{"ts": {1_700_000_000_000 + n}, "seq": {n}}}]}}'
        for n in range(200_000)
    ))  # fmt: skip
    commands = {
        "simulate": ("simulate", "--duration", "600", "--rate", "0", "--mess", "0.2"),
        "publish": ("publish", str(file)),
    }
    known = len(read_receipts(pipeline.client("s3"), pipeline.bucket))
    interrupted(pipeline, *commands[kind])
    *_, (receipt, _) = read_receipts(pipeline.client("s3"), pipeline.bucket)
    assert len(read_receipts(pipeline.client("s3"), pipeline.bucket)) == known + 1
    assert receipt.messages > 0
    assert receipt.rows is None
    assert gather(pipeline).verdict.status == "under way"
    found = drained(pipeline)
    assert found.verdict.status == "balanced", found.problems()
    assert found.messages.missing == 0


def test_a_deleted_raw_object_is_named_and_its_return_closes_the_account(pipeline: Target) -> None:
    s3, bucket = pipeline.client("s3"), pipeline.bucket
    [largest] = sorted(
        s3.list_objects_v2(Bucket=bucket, Prefix="raw/")["Contents"], key=lambda o: -o["Size"]
    )[:1]
    body = s3.get_object(Bucket=bucket, Key=largest["Key"])["Body"].read()
    s3.delete_object(Bucket=bucket, Key=largest["Key"])
    found = gather(pipeline)
    assert found.verdict.status == "not balanced"
    assert found.messages.missing > 0
    assert ["of the ledger has no raw object" in p for p in found.problems()] == [True]
    s3.put_object(Bucket=bucket, Key=largest["Key"], Body=body)
    assert gather(pipeline).verdict.status == "balanced"
