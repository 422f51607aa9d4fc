"""Failed executions, and the batches that they left behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice, takewhile

from etl.aws.target import Target
from etl.operations.batches import batches_of, manifest_of
from etl.operations.execution_search import FAILED, last_change, newest_first
from etl.operations.time_range import FIRST

__all__ = ["MOST_FAILED", "failed_since", "in_few_folders", "unprocessed_batches"]

MOST_FOLDERS = 200
"""Executions that staged the batches of one, whose folders are listed. A drain loop has hundreds of
batches in one folder, a sweep may have one in each of thousands."""
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
        keys = in_few_folders([item.key for item in manifest_of(target, name)])
        if left := sum(not batch.settled for batch in batches_of(target, keys)):
            found[name] = left
    return found


def in_few_folders(keys: list[str]) -> list[str]:
    """Leave out the keys beyond the first :data:`MOST_FOLDERS` folders: each one is listed."""
    folders = dict.fromkeys(key.rpartition("/")[0] for key in keys)
    few = set(islice(folders, MOST_FOLDERS))
    return [key for key in keys if key.rpartition("/")[0] in few]
