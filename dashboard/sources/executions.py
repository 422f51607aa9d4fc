"""Executions of the workflow: the list, and one execution with its batches and its picture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.sources.ledger import LedgerBatch, batches_of
from dashboard.sources.pipeline import Pipeline
from etl.aws.target import Target
from etl.operations import batches as staged_batches
from etl.operations import failed_executions
from etl.operations.batches import Batch, manifest_of
from etl.operations.execution_search import ExecutionFilter, is_idle, search
from etl.operations.executions import Execution, describe, execution_arn, latest
from etl.operations.failed_executions import MOST_FAILED, in_few_folders
from etl.operations.pictures import Picture, draw_execution, draw_trace
from etl.pictures.history import error_message
from telemetry.layout import outcome_key
from telemetry.manifest import Item

__all__ = [
    "ExecutionBatch", "ExecutionDetail", "ExecutionPage", "VersionedPicture", "detail",
    "latest_executions", "page_of", "picture", "timeline", "totals_of", "unprocessed_batches",
]  # fmt: skip

MOST_BATCHES = 200
"""Batches of one execution that a page lists."""
MOST_EXAMINED = 500
"""Executions that one page examines: each is described, which takes a request."""
READERS = 8
"""Objects of S3 that are read at once."""


@dataclass(frozen=True)
class ExecutionTotals:
    """Sums of the ledger for one execution; a batch counts for the one that processed it last."""

    batches: int
    read: int
    rejected: int


@dataclass(frozen=True)
class ExecutionBatch:
    """One batch of an execution."""

    item: Item
    staged: Batch | None
    """The staged batch; ``None`` where its raw object no longer exists."""
    row: LedgerBatch | None
    """Its ledger row, whichever execution wrote it."""
    status: str
    """Its outcome in this execution; ``running`` or ``staged`` where it has none."""
    error: str | None = None
    cause: str | None = None

    @property
    def batch_id(self) -> str:
        """Id of the batch, or the object's key where the batch is unknown."""
        return self.staged.raw.batch_id if self.staged else self.item.key


@dataclass(frozen=True)
class ExecutionDetail:
    """One execution and its batches."""

    execution: Execution
    batches: list[ExecutionBatch]
    """Up to :data:`MOST_BATCHES` of them, those that failed first."""
    total: int
    """Number of all its batches."""

    @property
    def failed(self) -> list[ExecutionBatch]:
        """The listed batches that failed."""
        return [batch for batch in self.batches if batch.status == "failed"]

    @property
    def message(self) -> str | None:
        """The message that the workflow wrote, or the cause of its failure."""
        written = (self.execution.output or {}).get("message")
        message = written or error_message(self.execution.cause)
        return str(message) if message else None


@dataclass(frozen=True)
class VersionedPicture:
    """A picture and its version, by which a browser caches it."""

    picture: Picture

    @property
    def version(self) -> str:
        """A hash of the picture."""
        return hashlib.sha256(self.picture.svg.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class ExecutionPage:
    """One page of a search, the execution that changed last first."""

    executions: list[Execution]
    idle: int
    """Executions among these times that had nothing to do and are left out."""
    older: datetime | None
    """The executions of the next page changed before this; ``None`` on the last page."""


def page_of(pipeline: Pipeline, wanted: ExecutionFilter, most: int, *, idle: bool) -> ExecutionPage:
    """The first executions that match, of :data:`MOST_EXAMINED` at most."""
    shown: list[Execution] = []
    left_out, last = 0, None
    for execution in search(pipeline.target, wanted):
        full = len(shown) >= most or len(shown) + left_out >= MOST_EXAMINED
        if full and execution.changed != last:  # several of one moment are never parted
            return ExecutionPage(shown, left_out, last)
        last = execution.changed
        if idle or not is_idle(execution):
            shown.append(execution)
        else:
            left_out += 1
    return ExecutionPage(shown, left_out, None)


def latest_executions(pipeline: Pipeline, most: int = 50) -> list[Execution]:
    """The newest executions, newest first."""
    return latest(pipeline.target, most)


def totals_of(pipeline: Pipeline, names: Sequence[str]) -> dict[str, ExecutionTotals]:
    """Sums of the ledger for these executions, by name."""
    rows = pipeline.database.query(
        "SELECT execution, count(*) AS batches, sum(read) AS read, sum(rejected) AS rejected "
        "FROM etl.ledger WHERE execution = ANY(%s) GROUP BY 1",
        (list(names),),
    )
    return {
        row["execution"]: ExecutionTotals(
            int(row["batches"]), int(row["read"]), int(row["rejected"])
        )
        for row in rows
    }


def detail(pipeline: Pipeline, name: str) -> ExecutionDetail:
    """One execution with its batches; without a database the batches lack their ledger rows."""
    target = pipeline.target
    execution = describe(target, execution_arn(target, name))
    items = manifest_of(target, execution.name)
    keys = in_few_folders([item.key for item in items])
    staged = {batch.key: batch for batch in staged_batches.batches_of(target, keys)}
    items.sort(key=lambda item: _status(execution, staged.get(item.key)) != "failed")
    listed = items[:MOST_BATCHES]
    shown = (staged[item.key] for item in listed if item.key in staged)
    rows = _rows(pipeline, [batch.raw.batch_id for batch in shown])
    with ThreadPoolExecutor(READERS) as readers:
        batches = list(
            readers.map(lambda item: _batch(target, execution, item, staged, rows), listed)
        )
    return ExecutionDetail(execution, batches, len(items))


def _rows(pipeline: Pipeline, batch_ids: list[str]) -> dict[str, LedgerBatch]:
    import psycopg2

    try:
        return batches_of(pipeline, batch_ids) if batch_ids else {}
    except psycopg2.Error:  # other parts of the page report it
        return {}


def _batch(
    target: Target,
    execution: Execution,
    item: Item,
    staged: dict[str, Batch],
    rows: dict[str, LedgerBatch],
) -> ExecutionBatch:
    batch = staged.get(item.key)
    status = _status(execution, batch)
    failure = _failure(target, item.key, execution.name) if status == "failed" else {}
    cause = error_message(failure.get("cause"))
    return ExecutionBatch(
        item, batch, rows.get(batch.raw.batch_id) if batch else None, status,
        failure.get("error"), cause,
    )  # fmt: skip


def _status(execution: Execution, batch: Batch | None) -> str:
    ends = [o.status for o in (batch.outcomes if batch else ()) if o.execution == execution.name]
    if ends:  # one that failed first and was loaded by a retry has both
        return next((end for end in ends if end != "failed"), "failed")
    return "running" if execution.status == "RUNNING" else "staged"


def _failure(target: Target, raw: str, execution: str) -> dict[str, Any]:
    s3 = target.client("s3")
    try:
        key = outcome_key(raw, execution, "failed")
        body = s3.get_object(Bucket=target.bucket, Key=key)["Body"].read()
        return dict(json.loads(body))
    except (s3.exceptions.NoSuchKey, ValueError):
        return {}


def unprocessed_batches(pipeline: Pipeline) -> dict[str, int]:
    """Number of batches of the latest failed executions that no later execution has processed.

    The key is the execution's name; executions without such batches are left out.
    """
    target = pipeline.target
    return failed_executions.unprocessed_batches(
        target, failed_executions.failed_since(target), MOST_FAILED
    )


def picture(pipeline: Pipeline, name: str) -> VersionedPicture:
    """The execution drawn over the definition of its state machine."""
    return VersionedPicture(draw_execution(pipeline.target, name))


def timeline(pipeline: Pipeline, name: str) -> VersionedPicture:
    """The execution's trace as a timeline. Raises ``NoTraceError`` where there is none."""
    return VersionedPicture(draw_trace(pipeline.target, name, patience=0))
