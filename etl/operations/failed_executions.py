"""Failed executions, and the batches that they left behind."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from etl.aws.target import Target
from etl.operations.batches import batches_of, manifest_of
from etl.operations.execution_search import FAILED
from etl.operations.time_range import FIRST

if TYPE_CHECKING:
    from types_boto3_stepfunctions.type_defs import ExecutionListItemTypeDef

__all__ = ["MOST_FAILED", "failed_since", "unprocessed_batches"]

MOST_BATCHES = 200
"""Batches of one execution that are looked up."""
MOST_FAILED = 5
"""Failed executions that the control room searches for unprocessed batches."""
PAGE = 1_000
"""Executions of one answer; Step Functions allows 1,000 (ListExecutions, API reference)."""


def failed_since(target: Target, since: datetime = FIRST) -> Iterator[str]:
    """Names of the executions that failed since then, the one that ended last first. Lazy."""
    lists = [_list(target, status, since) for status in FAILED]
    for entry in heapq.merge(*lists, key=_ended, reverse=True):
        yield str(entry["name"])


def unprocessed_batches(target: Target, names: Iterator[str], most: int) -> dict[str, int]:
    """Number of batches of each failed execution that no later execution has processed, by name.

    At most the first ``most`` executions are looked up; those without such batches are left out.
    """
    found = {}
    for name in islice(names, most):
        keys = [item.key for item in manifest_of(target, name)[:MOST_BATCHES]]
        if left := sum(not batch.settled for batch in batches_of(target, keys)):
            found[name] = left
    return found


def _list(target: Target, status: str, since: datetime) -> Iterator[ExecutionListItemTypeDef]:
    pages = (
        target.client("stepfunctions")
        .get_paginator("list_executions")
        .paginate(
            stateMachineArn=target.outputs["StateMachineArn"],
            statusFilter=status,  # type: ignore[arg-type]
            PaginationConfig={"PageSize": PAGE},
        )
    )
    entries = (entry for page in pages for entry in page["executions"])
    return takewhile(lambda entry: _ended(entry) >= since, entries)


def _ended(entry: ExecutionListItemTypeDef) -> datetime:
    return entry.get("stopDate") or entry["startDate"]
