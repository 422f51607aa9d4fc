"""Executions of the workflow: the list, and one of them with its batches and its picture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dashboard.sources.ledger import LedgerBatch, batches_of
from dashboard.sources.pipeline import Pipeline
from etl.aws.target import Target
from etl.operations.batches import Batch, manifest_of
from etl.operations.batches import batches_of as staged_of
from etl.operations.executions import Execution, describe, execution_arn, latest
from etl.operations.pictures import Picture, draw_execution, draw_trace
from etl.pictures.history import error_message
from telemetry.layout import outcome_key
from telemetry.manifest import Item

__all__ = [
    "FAILED_STATES", "RunBatch", "RunDetail", "Seen", "detail", "newest", "picture", "timeline",
    "totals_of", "unsettled",
]  # fmt: skip

MOST_BATCHES = 200
"""Of one execution, as many as are listed."""
READERS = 8
MOST_FAILED = 5
"""Failed executions that are looked into for batches nobody has settled."""
FAILED_STATES = ("FAILED", "TIMED_OUT", "ABORTED")


@dataclass(frozen=True)
class RunTotals:
    """What the ledger has of one execution; a batch counts for the last that dealt with it."""

    batches: int
    read: int
    rejected: int


@dataclass(frozen=True)
class RunBatch:
    """One batch of an execution."""

    item: Item
    staged: Batch | None
    """``None`` where its raw object is gone."""
    row: LedgerBatch | None
    """Its row of the ledger, whichever execution wrote it."""
    status: str
    """How it ended in this execution; ``running`` or ``staged`` where it has not."""
    error: str | None = None
    cause: str | None = None

    @property
    def batch_id(self) -> str:
        """Of the batch; the key where it is not one."""
        return self.staged.raw.batch_id if self.staged else self.item.key


@dataclass(frozen=True)
class RunDetail:
    """One execution and its batches."""

    execution: Execution
    batches: list[RunBatch]
    """The first of them, those that failed before the others."""
    total: int
    """How many there are."""

    @property
    def failed(self) -> list[RunBatch]:
        """Those that failed."""
        return [batch for batch in self.batches if batch.status == "failed"]

    @property
    def message(self) -> str | None:
        """What the workflow says of itself, or why it ended."""
        said = (self.execution.output or {}).get("message") or error_message(self.execution.cause)
        return str(said) if said else None


@dataclass(frozen=True)
class Seen:
    """A picture, and the hash that names this look of it."""

    picture: Picture

    @property
    def version(self) -> str:
        """Changes with the picture."""
        return hashlib.sha256(self.picture.svg.encode()).hexdigest()[:12]


def newest(pipeline: Pipeline, most: int = 50) -> list[Execution]:
    """The newest executions, newest first."""
    return latest(pipeline.target, most)


def totals_of(pipeline: Pipeline, names: Sequence[str]) -> dict[str, RunTotals]:
    """What the ledger has of these executions, by name."""
    rows = pipeline.database.query(
        "SELECT execution, count(*) AS batches, sum(read) AS read, sum(rejected) AS rejected "
        "FROM etl.ledger WHERE execution = ANY(%s) GROUP BY 1",
        (list(names),),
    )
    return {
        row["execution"]: RunTotals(int(row["batches"]), int(row["read"]), int(row["rejected"]))
        for row in rows
    }


def detail(pipeline: Pipeline, name: str) -> RunDetail:
    """One execution. Without a database its batches lack their rows."""
    target = pipeline.target
    execution = describe(target, execution_arn(target, name))
    items = manifest_of(target, execution.name)
    listed = items[:MOST_BATCHES]
    staged = {batch.key: batch for batch in staged_of(target, (item.key for item in listed))}
    rows = _rows(pipeline, [batch.raw.batch_id for batch in staged.values()])
    with ThreadPoolExecutor(READERS) as readers:
        batches = list(
            readers.map(lambda item: _batch(target, execution, item, staged, rows), listed)
        )
    batches.sort(key=lambda batch: batch.status != "failed")
    return RunDetail(execution, batches, len(items))


def _rows(pipeline: Pipeline, batch_ids: list[str]) -> dict[str, LedgerBatch]:
    import psycopg2

    try:
        return batches_of(pipeline, batch_ids) if batch_ids else {}
    except psycopg2.Error:  # the page says of itself that the database is away
        return {}


def _batch(
    target: Target,
    execution: Execution,
    item: Item,
    staged: dict[str, Batch],
    rows: dict[str, LedgerBatch],
) -> RunBatch:
    batch = staged.get(item.key)
    ends = [o.status for o in (batch.outcomes if batch else ()) if o.execution == execution.name]
    status: str = "running" if execution.status == "RUNNING" else "staged"
    if ends:  # one that failed first and was loaded by a retry has both
        status = next((end for end in ends if end != "failed"), "failed")
    failure = _failure(target, item.key, execution.name) if status == "failed" else {}
    cause = error_message(failure.get("cause"))
    return RunBatch(
        item, batch, rows.get(batch.raw.batch_id) if batch else None, status,
        failure.get("error"), cause,
    )  # fmt: skip


def _failure(target: Target, raw: str, execution: str) -> dict[str, Any]:
    s3 = target.client("s3")
    try:
        key = outcome_key(raw, execution, "failed")
        body = s3.get_object(Bucket=target.bucket, Key=key)["Body"].read()
        return dict(json.loads(body))
    except (s3.exceptions.NoSuchKey, ValueError):
        return {}


def unsettled(pipeline: Pipeline) -> dict[str, int]:
    """Of the newest executions that failed: how many of their batches nothing has settled since."""
    target = pipeline.target
    found = {}
    for name in _failed(target):
        keys = [item.key for item in manifest_of(target, name)[:MOST_BATCHES]]
        if left := sum(not batch.settled for batch in staged_of(target, keys)):
            found[name] = left
    return found


def _failed(target: Target) -> list[str]:
    """Names of the newest executions that did not end well, however long ago."""
    ended: list[dict[str, Any]] = []
    for status in FAILED_STATES:
        ended += target.client("stepfunctions").list_executions(
            stateMachineArn=target.outputs["StateMachineArn"],
            statusFilter=status,
            maxResults=MOST_FAILED,
        )["executions"]
    ended.sort(key=lambda e: e["startDate"], reverse=True)
    return [str(e["name"]) for e in ended[:MOST_FAILED]]


def picture(pipeline: Pipeline, name: str) -> Seen:
    """The execution over its definition."""
    return Seen(draw_execution(pipeline.target, name))


def timeline(pipeline: Pipeline, name: str) -> Seen:
    """Its trace. Raises ``NoTraceError`` where there is none."""
    return Seen(draw_trace(pipeline.target, name, patience=0))
