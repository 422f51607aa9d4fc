"""Starts the one execution over the batches that are due, however many sweeps find them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from functions.sweep.batch_state import Seen, execution_name
from telemetry import settings
from telemetry.clients import calling, client
from telemetry.layout import manifest_key
from telemetry.logs import log
from telemetry.manifest import Item, manifest_body
from telemetry.storage import put_object

__all__ = ["start"]

DEFAULT_CONCURRENCY = 10
MOST_ATTEMPTS = 50
"""Executions that may end over the same batches without a trace, one a sweep."""


def start(
    bucket: str, state_machine: str, due: Sequence[Seen], *, now: datetime, grace: timedelta
) -> str | None:
    """Name of the execution that deals with these batches, started now or by another sweep.

    ``None`` where one over the same batches has ended a moment ago, so that their outcomes may
    not have been seen, or where so many have ended without leaving one that a person must look.
    """
    items = [Item(one.batch.key, one.batch.size) for one in due]
    for attempt in range(MOST_ATTEMPTS):
        name = execution_name(due, attempt)
        manifest = manifest_key(name)
        put_object(bucket, manifest, manifest_body(items), "application/json")
        given = {
            "bucket": bucket,
            "manifest": manifest,
            "batches": len(items),
            "messages": sum(one.batch.raw.messages for one in due),
            "bytes": sum(item.size for item in items),
            "concurrency": settings.whole_number("MAX_CONCURRENCY", DEFAULT_CONCURRENCY, least=1),
        }
        if _started(state_machine, name, given):
            return name
        found = _describe(state_machine, name)
        if found["status"] == "RUNNING":
            return name
        if now - found["stopDate"] < grace:
            log.info("An execution over these batches has just ended", execution=name)
            return None
    log.error("Executions over these batches end without a trace", execution=execution_name(due))
    return None


def _started(state_machine: str, name: str, given: dict[str, Any]) -> bool:
    """Whether it has been started; ``False`` where there was one of that name."""
    states = client("stepfunctions")
    with calling("stepfunctions", f"start {name}"):
        try:
            states.start_execution(
                stateMachineArn=state_machine, name=name, input=json.dumps(given)
            )
        except states.exceptions.ExecutionAlreadyExists:
            return False
    return True


def _describe(state_machine: str, name: str) -> dict[str, Any]:
    arn = f"{state_machine.replace(':stateMachine:', ':execution:')}:{name}"
    with calling("stepfunctions", f"describe {name}"):
        found: dict[str, Any] = client("stepfunctions").describe_execution(executionArn=arn)
    return found
