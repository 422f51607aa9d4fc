"""Selection of staged batches by execution, id, time of staging, reject reason, device or failure.

Reads only S3 (listings, manifests and rejects), not the database.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from etl.aws.s3 import listed
from etl.aws.target import Target
from etl.operations.batches import Batch, batch, batches_between, batches_of, manifest_of
from etl.operations.rejects import RejectFilter, read_rejects
from etl.operations.time_range import ALWAYS, TimeRange
from telemetry.errors import UserError
from telemetry.layout import RAW, parse_raw_key, report_key

__all__ = ["BatchFilter", "NotFoundError", "batches_in", "find_batches"]

FEW_FOLDERS = 20
"""Most folders that are listed one by one. The queue trigger stages each batch in a folder of its
own: for more of them, listing the whole day takes fewer requests."""


class NotFoundError(UserError):
    """Raised when a name does not exist; the message says where it was looked up."""


@dataclass(frozen=True, kw_only=True)
class BatchFilter:
    """The conditions of a selection: a batch must meet all that are set."""

    executions: tuple[str, ...] = ()
    """The batch was in one of these executions."""
    batches: tuple[str, ...] = ()
    """The batch has one of these ids."""
    time_range: TimeRange = ALWAYS
    """The batch was staged in this time range."""
    reasons: tuple[str, ...] = ()
    """The batch has a reject with one of these reasons, or kinds of reasons."""
    devices: tuple[str, ...] = ()
    """The batch has a reject from one of these devices."""
    failed: bool = False
    """The batch failed and has not been settled since."""
    contracts: tuple[str | None, ...] = ()
    """The batch is of one of these contracts, as keys name them; ``None``: the first one."""

    @property
    def is_empty(self) -> bool:
        """True where no condition is set, so that every batch matches."""
        return self == BatchFilter()


def find_batches(target: Target, batch_filter: BatchFilter) -> Iterator[Batch]:
    """The batches that match, lazily. Raises :class:`NotFoundError` for an unknown name."""
    with_rejects = (
        _batches_with_rejects(target, batch_filter)
        if batch_filter.reasons or batch_filter.devices
        else None
    )
    for found in _candidates(target, batch_filter):
        if found.staged_at not in batch_filter.time_range or (
            batch_filter.failed and found.status != "failed"
        ):
            continue
        if batch_filter.contracts and found.raw.contract not in batch_filter.contracts:
            continue
        if with_rejects is None or (found.raw.date, found.raw.batch_id) in with_rejects:
            yield found


def batches_in(target: Target, time_range: TimeRange) -> Iterator[Batch]:
    """The batches that were staged in the time range, in the order of days and keys."""
    first = _first_day(target)
    if first is None:
        return
    # A batch may have tomorrow's date in its key where this machine's clock is behind.
    last = min(time_range.last_key_day, datetime.now(UTC).date() + timedelta(days=1))
    for found in batches_between(target, max(first, time_range.first_key_day), last):
        if found.staged_at in time_range:
            yield found


def _candidates(target: Target, batch_filter: BatchFilter) -> Iterable[Batch]:
    if batch_filter.batches:
        named = [_by_id(target, batch_id) for batch_id in dict.fromkeys(batch_filter.batches)]
        if not batch_filter.executions:
            return named
        keys = set(_keys_of(target, batch_filter.executions))
        return [one for one in named if one.key in keys]
    if batch_filter.executions:
        return _by_key(target, _keys_of(target, batch_filter.executions))
    return batches_in(target, batch_filter.time_range)


def _keys_of(target: Target, executions: Iterable[str]) -> list[str]:
    found: list[str] = []
    for execution in executions:
        name = execution.rpartition(":")[2]  # the name in an ARN
        keys = [item.key for item in manifest_of(target, name)]
        if not keys:
            raise NotFoundError(
                f"No execution '{name}' has processed a batch: `etl executions` lists them."
            )
        found += keys
    return list(dict.fromkeys(found))


def _by_key(target: Target, keys: list[str]) -> Iterable[Batch]:
    folders = {key.rpartition("/")[0] for key in keys}
    if len(folders) <= FEW_FOLDERS:
        return batches_of(target, keys)
    raws = [raw for key in keys if (raw := parse_raw_key(key)) is not None]
    days = sorted({date.fromisoformat(raw.date) for raw in raws})
    wanted = set(keys)
    return (one for day in days for one in batches_between(target, day, day) if one.key in wanted)


def _by_id(target: Target, batch_id: str) -> Batch:
    """A batch by its id: its key is in its report; without a report the days are searched."""
    s3 = target.client("s3")
    try:
        body = s3.get_object(Bucket=target.bucket, Key=report_key(batch_id))["Body"].read()
        found = batches_of(target, [str(json.loads(body)["raw_key"])])
    except (s3.exceptions.NoSuchKey, ValueError, KeyError, TypeError):
        one = batch(target, batch_id)
        found = [one] if one is not None else []
    if not found:
        raise NotFoundError(f"There is no batch '{batch_id}' under s3://{target.bucket}/{RAW}.")
    return found[0]


def _batches_with_rejects(target: Target, batch_filter: BatchFilter) -> set[tuple[str, str]]:
    reject_filter = RejectFilter(
        batch_filter.reasons, batch_filter.devices, batch_filter.batches, batch_filter.time_range
    )
    return {(reject.day, reject.batch_id) for reject in read_rejects(target, reject_filter)}


def _first_day(target: Target) -> date | None:
    """The day of the first raw key, or ``None`` where nothing is staged."""
    for entry in listed(target.client("s3"), target.bucket, RAW):
        raw = parse_raw_key(entry["Key"])
        if raw is not None:
            return date.fromisoformat(raw.date)
    return None
