"""Starts the one execution over the batches that are due, however many sweeps find them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from functions.sweep.batch_state import execution_name
from telemetry import settings
from telemetry.batches import Batch
from telemetry.clients import calling, client
from telemetry.logs import log
from telemetry.manifest import ExecutionInput, Item, execution_arn, manifest_body
from telemetry.storage import put_object
from telemetry.tracing import start_options

if TYPE_CHECKING:
    from types_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

__all__ = ["start"]

MOST_ATTEMPTS = 50
"""Executions over the same batches, one per sweep, that may end without writing an outcome."""


def start(
    bucket: str, state_machine: str, due: Sequence[Batch], *, now: datetime, grace: timedelta
) -> str | None:
    """Name of the execution over these batches, started now or by another sweep.

    ``None`` where one over the same batches has ended a moment ago, so that its outcomes may not
    have been listed, or where :data:`MOST_ATTEMPTS` have ended without writing an outcome.
    """
    items = [Item(batch.key, batch.size) for batch in due]
    for attempt in range(MOST_ATTEMPTS):
        name = execution_name(due, attempt)
        given = ExecutionInput.of(bucket, name, items, concurrency=settings.max_concurrency())
        put_object(bucket, given.manifest, manifest_body(items), "application/json")
        if _started(state_machine, name, given):
            return name
        found = _describe(state_machine, name)
        if found["status"] == "RUNNING":
            return name
        if now - found["stopDate"] < grace:
            log.info("An execution over these batches has just ended", execution=name)
            return None
    log.error(
        "Executions over these batches end without writing an outcome",
        execution=execution_name(due),
    )
    return None


def _started(state_machine: str, name: str, given: ExecutionInput) -> bool:
    """Starts the execution; returns ``False`` where there is one of that name already."""
    states = client("stepfunctions")
    with calling("stepfunctions", f"start {name}"):
        try:
            states.start_execution(
                stateMachineArn=state_machine,
                name=name,
                input=json.dumps(given.as_dict()),
                **start_options(name),
            )
        except states.exceptions.ExecutionAlreadyExists:
            return False
    return True


def _describe(state_machine: str, name: str) -> DescribeExecutionOutputTypeDef:
    arn = execution_arn(state_machine, name)
    with calling("stepfunctions", f"describe {name}"):
        return client("stepfunctions").describe_execution(executionArn=arn)
