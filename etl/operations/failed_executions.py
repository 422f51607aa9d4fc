"""Failed executions, and the batches that they left behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice, takewhile

from etl.aws.target import Target
from etl.operations.batches import batches_of, manifest_of
from etl.operations.execution_search import FAILED, last_change, newest_first
from etl.operations.time_range import FIRST

__all__ = ["MOST_FAILED", "failed_since", "unprocessed_batches"]

MOST_BATCHES = 200
"""Batches of one execution that are looked up."""
MOST_FAILED = 5
"""Failed executions that the control room searches for unprocessed batches."""


def failed_since(target: Target, since: datetime = FIRST) -> Iterator[str]:
    """Names of the executions that failed since then, the one that ended last first. Lazy."""
    entries = newest_first(target, FAILED)
    for entry in takewhile(lambda entry: last_change(entry) >= since, entries):
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
