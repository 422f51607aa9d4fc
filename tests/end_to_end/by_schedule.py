"""A pipeline in which nothing but the test starts an execution, step by step: publish, await, drain."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from etl.aws.s3 import listed
from etl.aws.sqs import queue_depth
from etl.aws.target import Target
from etl.deployment.kept_customization import KeptCustomization
from etl.deployment.laptop import bring_up
from etl.operations.executions import Execution, follow, start
from infrastructure.settings import TriggerMode

PATIENCE_SECONDS = 60.0


def up(
    state: Path,
    stack: str,
    *contracts: Path,
    trigger: TriggerMode = "schedule",
    additions: KeptCustomization | None = None,
) -> Target:
    """The stack with these contracts, or those that it runs."""
    first, *further = contracts or (None,)
    return bring_up(
        state,
        stack,
        first,
        further=[file for file in further if file],
        switch=lambda _question: True,
        trigger=trigger,
        window=1,
        schedule="rate(1 day)",
        sweep="rate(1 day)",
        additions=additions,
        die_with_parent=True,
    )


def await_messages(target: Target, number: int) -> None:
    """Wait until the rules have put so many messages into the queue."""
    deadline, waiting = time.monotonic() + PATIENCE_SECONDS, -1
    while waiting != number:
        assert time.monotonic() < deadline, (waiting, number)
        waiting = queue_depth(target.client("sqs"), target.outputs["QueueUrl"]).total
        time.sleep(0.2)


def drain(target: Target) -> Execution:
    """Run the pipeline over all that waits."""
    *_, (execution, _) = follow(target, start(target))
    return execution


def rows(target: Target, statement: str) -> list[tuple[Any, ...]]:
    """What a statement returns."""
    with target.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def raw_keys(target: Target) -> list[str]:
    """Keys of all raw objects."""
    return [one["Key"] for one in listed(target.client("s3"), target.bucket, "raw/")]
