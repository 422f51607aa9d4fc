"""Checks a deployed pipeline end to end: a canary from MQTT to the ledger, and its trace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from etl.aws.sqs import queue_depth
from etl.aws.target import Target
from etl.doctor.canary import CanaryBatch, send_canary, wait_for_batch
from etl.doctor.check_result import CheckResult, failed, not_checked, passed
from etl.doctor.examination import Examination
from etl.operations.executions import execution_arn
from etl.operations.observability import deployed_level, untraced
from etl.operations.traces import load_trace
from etl.pictures.gantt import FUNCTION_CODE
from telemetry.ddl import LEDGER

__all__ = ["check_canary"]

NAME = "canary"
TRACED = ("transform", "validate", "load", "summarize")
"""Functions that every execution with a batch runs."""
TRACE_SECONDS = 60.0
"""Longest wait for a trace: X-Ray makes one available after some seconds."""
BEGINNING_SECONDS = 15.0
"""Longest wait for the first part of a trace, where only a share of the executions is traced."""
POLL_SECONDS = 2.0
STILL_UNDER_WAY = (
    "wait longer (--wait), as a schedule may be longer than that; then `etl status` and "
    "`etl reconcile` say where the message is"
)


def check_canary(examination: Examination) -> Iterator[CheckResult]:
    """Send a canary, follow it to the ledger, and read the trace of its execution."""
    if not examination.may_send_canary:
        yield not_checked(NAME, "not agreed to", "run it without --no-canary, and answer yes")
        return
    target = examination.target
    canary = send_canary(target)
    yield passed(
        f"{NAME}: MQTT", "the broker acknowledged it, by TLS with a certificate of its own"
    )
    started = time.monotonic()
    batch = wait_for_batch(target, canary, examination.wait_seconds)
    seconds = time.monotonic() - started
    if batch is None:
        yield failed(
            f"{NAME}: batch",
            f"it is in no batch after {seconds:.0f} s; {_queues(target)}",
            STILL_UNDER_WAY,
        )
        return
    if "loaded" not in batch.statuses:
        yield _not_loaded(batch, seconds)
        return
    yield passed(
        f"{NAME}: ledger",
        f"loaded with batch {batch.batch_id} after {seconds:.0f} s and set aside: it left no row",
    )
    yield _ledger_row(target, batch)
    yield _trace(target, batch)


def _not_loaded(batch: CanaryBatch, seconds: float) -> CheckResult:
    name = f"{NAME}: ledger"
    if not batch.statuses:
        return failed(
            name,
            f"batch {batch.batch_id} was staged, and no execution ended with it in {seconds:.0f} s",
            STILL_UNDER_WAY,
        )
    status = ", ".join(sorted(batch.statuses))
    execution = batch.executions[-1]
    return failed(
        name,
        f"batch {batch.batch_id} ended as {status}",
        f"see why: etl logs --execution {execution}; docs/repair.md has the repair",
    )


def _queues(target: Target) -> str:
    sqs = target.client("sqs")
    names = {
        "the queue": "QueueUrl",
        "the dead-letter queue": "DeadLetterQueueUrl",
        "the rule's error queue": "RuleErrorQueueUrl",
    }
    depths = {name: queue_depth(sqs, target.outputs[url]).total for name, url in names.items()}
    return ", ".join(f"{depth:,} in {name}" for name, depth in depths.items())


def _ledger_row(target: Target, batch: CanaryBatch) -> CheckResult:
    """Compare the outcome in S3 with the row in PostgreSQL, where that is reached from here."""
    import psycopg2

    name = f"{NAME}: ledger row"
    try:
        connection = target.connect()
    except psycopg2.OperationalError:
        return not_checked(
            name,
            "the database can't be reached from here; the outcome in S3, which is written after "
            "the commit, says that the row is there",
        )
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT set_aside, read, accepted + duplicates + conflicts + rejected + set_aside"  # noqa: S608 - a constant
            f" FROM {LEDGER} WHERE batch_id = %s",
            (batch.batch_id,),
        )
        row = cursor.fetchone()
    if row is None or not row[0] or row[1] != row[2]:
        return failed(
            name,
            f"the ledger has {row or 'no row'} for batch {batch.batch_id}",
            "run `etl reconcile`, which names the repair",
        )
    return passed(name, f"{row[0]} of {row[1]} readings set aside, and the row balances")


def _trace(target: Target, batch: CanaryBatch) -> CheckResult:
    """Read the trace of the execution, which must have the code of each function."""
    name = f"{NAME}: trace"
    arn = execution_arn(target, batch.executions[-1])
    wanted = {f"{target.stack}-{function}" for function in TRACED}
    level, begun = deployed_level(target), time.monotonic()
    deadline = begun + TRACE_SECONDS
    # Below the level full most executions have no trace, for which it would wait in vain.
    first = deadline if level == "full" else begun + min(TRACE_SECONDS, BEGINNING_SECONDS)
    missing, trace = wanted, None
    while True:
        trace = load_trace(target, arn)
        missing = wanted - _traced(trace)
        if not missing or time.monotonic() >= (first if trace is None else deadline):
            break
        time.sleep(POLL_SECONDS)
    if trace is None:
        why = "" if level == "full" else f" ({untraced(level)})"
        return not_checked(
            name,
            "X-Ray has no trace of the execution: it samples, so it may have left this out" + why,
        )
    if missing:
        return failed(
            name,
            f"the trace lacks {', '.join(sorted(missing))}",
            "see whether these functions may send traces: etl doctor, functions' roles",
        )
    return passed(name, f"whole: {len(trace['spans'])} spans, with the code of every function")


def _traced(trace: dict[str, Any] | None) -> set[str]:
    """Names of the functions whose own code is in the trace."""
    spans = trace["spans"] if trace is not None else []
    return {span["name"] for span in spans if span["origin"] == FUNCTION_CODE}
