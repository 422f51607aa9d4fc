"""Searches the executions of the state machine: by status, start, cause, batch or contract.

Step Functions lists executions by status alone, for the 90 days that it keeps them: the one that
changed last comes first, which is its end, or its start while it is running. Whether one had
anything to do, and why it failed, is in its description, so each of them is described, several at
once. An execution of a batch is known by the batch's outcomes in S3, however old. The contract of
an execution is in the ledger rows of its batches, or in their reports where they failed; a failed
one without either counts for the contract that is deployed.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from etl.aws.target import Target
from etl.operations.batch_selection import BatchFilter, find_batches
from etl.operations.batches import manifest_of
from etl.operations.executions import Execution, describe, execution_arn
from etl.operations.plurals import counted
from etl.operations.quarantine import read_report
from etl.operations.time_range import ALWAYS, TimeRange
from etl.pictures.history import error_message
from telemetry.layout import parse_raw_key

if TYPE_CHECKING:
    from types_boto3_stepfunctions.literals import ExecutionStatusType
    from types_boto3_stepfunctions.type_defs import ExecutionListItemTypeDef

__all__ = [
    "FAILED",
    "STATUSES",
    "ExecutionFilter",
    "is_idle",
    "last_change",
    "newest_first",
    "result_of",
    "search",
]

FAILED: tuple[ExecutionStatusType, ...] = ("FAILED", "TIMED_OUT", "ABORTED")
"""Statuses of an execution that ended without success."""
STATUSES: tuple[ExecutionStatusType, ...] = ("RUNNING", "SUCCEEDED", *FAILED)
MOST_REPORTS = 5
"""Batches of a failed execution whose reports are looked for."""
BATCH_ERROR = re.compile(r"^- \S+: ([\w.]+: .*)$", re.MULTILINE)
"""A line of a cause on one batch, as the summary of an execution writes it."""
PAGE = 1_000
"""Executions of one answer; Step Functions allows 1,000 (ListExecutions, API reference)."""
READERS = 8
"""Executions described at once. Step Functions allows 15 a second in the smaller regions, after a
burst of 300 (DescribeExecution, "Service quotas", read 2026-11); botocore waits where refused."""


@dataclass(frozen=True, kw_only=True)
class ExecutionFilter:
    """The conditions of a search: an execution must meet all that are set."""

    statuses: tuple[ExecutionStatusType, ...] = ()
    """The execution has one of these statuses."""
    started: TimeRange = ALWAYS
    """The execution started in this time range."""
    before: datetime | None = None
    """The execution changed last before this time: where a page of the list ended."""
    cause: str = ""
    """The result contains this text, in upper or lower case: see :func:`result_of`."""
    batch_id: str = ""
    """The execution processed the batch of this id, to an outcome."""
    contract: str = ""
    """The execution read its batches by the contract of this name, whatever its version."""


def search(target: Target, wanted: ExecutionFilter) -> Iterator[Execution]:
    """The executions that match, described, the one that changed last first. Lazy.

    Raises :class:`~etl.operations.batch_selection.NotFoundError` for an unknown batch.
    """
    found = _of_batch(target, wanted) if wanted.batch_id else _listed(target, wanted)
    in_ledger = _executions_of(target, wanted.contract) if wanted.contract else frozenset()
    for execution in found:
        if wanted.contract and not _used_contract(target, execution, wanted.contract, in_ledger):
            continue
        if wanted.cause.casefold() in result_of(execution).casefold():
            yield execution


def _executions_of(target: Target, contract: str) -> frozenset[str]:
    """Names of the executions that were the last to process a batch with this contract."""
    connection = target.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT execution FROM etl.ledger WHERE contract = %s", (contract,)
            )
            return frozenset(name for (name,) in cursor.fetchall())
    finally:
        connection.close()


def _used_contract(
    target: Target, execution: Execution, contract: str, in_ledger: frozenset[str]
) -> bool:
    """True by the ledger, else for batches that failed: by a report, or the deployed contract."""
    if execution.name in in_ledger:
        return True
    if execution.status not in FAILED and not (execution.output or {}).get("failures"):
        return False
    items = manifest_of(target, execution.name)[:MOST_REPORTS]
    raws = [raw for item in items if (raw := parse_raw_key(item.key)) is not None]
    reports = (read_report(target, raw.batch_id) for raw in raws)
    named = {str(one["contract"]) for one in reports if one is not None}
    if named:
        return contract in named
    names = {raw.contract or target.outputs["ContractName"] for raw in raws}
    return contract in (names or {target.outputs["ContractName"]})


def is_idle(execution: Execution) -> bool:
    """True for an execution that succeeded and had no batch to load."""
    return execution.status == "SUCCEEDED" and (execution.output or {}).get("batches") == 0


def result_of(execution: Execution) -> str:
    """Describes the end of an execution in a few words: its batches, or the error and its cause."""
    output = execution.output or {}
    if execution.status in FAILED:
        cause = _errors_of_batches(error_message(execution.cause) or "")
        return ": ".join(part for part in (execution.error, cause) if part)
    if is_idle(execution):
        return "nothing to do"
    return ", ".join((*_ends(output), *_failures(output)))


def _errors_of_batches(cause: str) -> str:
    """The errors of the batches, each once, before the rest of a cause that lists them.

    A table shows only the beginning, which otherwise says how many batches failed, and not why.
    """
    errors = dict.fromkeys(BATCH_ERROR.findall(cause))
    return "\n".join((*errors, cause))


def _ends(output: dict[str, Any]) -> Iterator[str]:
    for end in ("loaded", "quarantined", "discarded", "failed"):
        number = output.get(end)
        if isinstance(number, int) and (number or (end == "loaded" and not output.get("failed"))):
            yield f"{counted(number, 'batch')} {end}"


def _failures(output: dict[str, Any]) -> list[str]:
    """The errors of the batches that failed, each once."""
    failures = output.get("failures")
    names = (str(one.get("error")) for one in failures or () if isinstance(one, dict))
    return list(dict.fromkeys(names))


def _of_batch(target: Target, wanted: ExecutionFilter) -> list[Execution]:
    (batch,) = find_batches(target, BatchFilter(batches=(wanted.batch_id,)))
    names = dict.fromkeys((batch.raw.execution, *(o.execution for o in batch.outcomes)))
    found = (_kept(target, execution_arn(target, name)) for name in names)
    chosen = [one for one in found if one is not None and _matches(one, wanted)]
    return sorted(chosen, key=lambda one: one.changed, reverse=True)


def _kept(target: Target, arn: str) -> Execution | None:
    """The execution; ``None`` where it is no longer kept."""
    try:
        return describe(target, arn)
    except target.client("stepfunctions").exceptions.ExecutionDoesNotExist:
        return None


def _matches(execution: Execution, wanted: ExecutionFilter) -> bool:
    status_fits = not wanted.statuses or execution.status in wanted.statuses
    time_fits = wanted.before is None or execution.changed < wanted.before
    return status_fits and time_fits and execution.started in wanted.started


def _listed(target: Target, wanted: ExecutionFilter) -> Iterator[Execution]:
    """Described in pieces that grow, so that the first few come soon."""
    arns = _arns(target, wanted)
    size = READERS
    with ThreadPoolExecutor(READERS) as readers:
        while piece := list(islice(arns, size)):
            yield from readers.map(lambda arn: describe(target, arn), piece)
            size = min(2 * size, 16 * READERS)


def _arns(target: Target, wanted: ExecutionFilter) -> Iterator[str]:
    """ARNs of the executions of these statuses and times, the one that changed last first."""
    for entry in newest_first(target, wanted.statuses):
        if last_change(entry) < wanted.started.start:
            return
        time_fits = wanted.before is None or last_change(entry) < wanted.before
        if time_fits and entry["startDate"] in wanted.started:
            yield entry["executionArn"]


def newest_first(
    target: Target, statuses: Sequence[ExecutionStatusType]
) -> Iterator[ExecutionListItemTypeDef]:
    """Executions of these statuses as Step Functions lists them, by their last change. Lazy.

    Without a status: all executions.
    """
    lists = [_list(target, status) for status in statuses or (None,)]
    return heapq.merge(*lists, key=last_change, reverse=True)


def last_change(entry: ExecutionListItemTypeDef) -> datetime:
    """The time at which an execution ended, or started if it runs."""
    return entry.get("stopDate") or entry["startDate"]


def _list(target: Target, status: ExecutionStatusType | None) -> Iterator[ExecutionListItemTypeDef]:
    pages = target.client("stepfunctions").get_paginator("list_executions")
    options: dict[str, Any] = {"statusFilter": status} if status else {}
    for page in pages.paginate(
        stateMachineArn=target.outputs["StateMachineArn"],
        PaginationConfig={"PageSize": PAGE},
        **options,
    ):
        yield from page["executions"]
