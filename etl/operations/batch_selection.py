"""Which staged batches a command means: by execution, id, time of staging, reason, device, failure.

Everything is told by listings and by the rejects; the database is not asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from etl.aws.s3 import listed
from etl.aws.target import Target
from etl.operations.batches import Batch, batch, batches_between, batches_of, manifest_of
from etl.operations.rejects import Wanted, read_rejects
from etl.operations.time_range import ALWAYS, Span
from telemetry.errors import UserError
from telemetry.layout import RAW, parse_raw_key, report_key

__all__ = ["Choice", "NotFoundError", "choose", "in_span"]

FEW_FOLDERS = 20
"""The queue's trigger stages each batch in a folder of its own: beyond this, a day's listing is
fewer requests than one for each folder."""


class NotFoundError(UserError):
    """Raised when what a person named is not there; the message says where it was sought."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """All that is set must hold."""

    executions: tuple[str, ...] = ()
    """Any of these dealt with the batch."""
    batches: tuple[str, ...] = ()
    """Any of these ids."""
    span: Span = ALWAYS
    """When it was staged."""
    reasons: tuple[str, ...] = ()
    """It has a reject with any of these reasons, or kinds of reasons."""
    devices: tuple[str, ...] = ()
    """It has a reject of any of these devices."""
    failed: bool = False
    """It failed, and nothing has settled it since."""

    @property
    def is_everything(self) -> bool:
        """Whether nothing is set."""
        return self == Choice()


def choose(target: Target, choice: Choice) -> Iterator[Batch]:
    """The batches meant, lazily. Raises :class:`NotFoundError` for a name that is not there."""
    rejecting = _rejecting(target, choice) if choice.reasons or choice.devices else None
    for found in _candidates(target, choice):
        if found.staged_at not in choice.span or (choice.failed and found.status != "failed"):
            continue
        if rejecting is None or (found.raw.date, found.raw.batch_id) in rejecting:
            yield found


def in_span(target: Target, span: Span) -> Iterator[Batch]:
    """The batches that were staged in the span, in the order of days and keys."""
    first = _first_day(target)
    if first is None:
        return
    # A batch may bear tomorrow's date where this machine's clock is behind.
    last = min(span.last_key_day, datetime.now(UTC).date() + timedelta(days=1))
    for found in batches_between(target, max(first, span.first_key_day), last):
        if found.staged_at in span:
            yield found


def _candidates(target: Target, choice: Choice) -> Iterable[Batch]:
    if choice.batches:
        named = [_by_id(target, batch_id) for batch_id in dict.fromkeys(choice.batches)]
        if not choice.executions:
            return named
        keys = set(_keys_of(target, choice.executions))
        return [one for one in named if one.key in keys]
    if choice.executions:
        return _by_key(target, _keys_of(target, choice.executions))
    return in_span(target, choice.span)


def _keys_of(target: Target, executions: Iterable[str]) -> list[str]:
    found: list[str] = []
    for execution in executions:
        name = execution.rpartition(":")[2]  # of an ARN
        keys = [item.key for item in manifest_of(target, name)]
        if not keys:
            raise NotFoundError(
                f"No execution '{name}' has dealt with any batch: `etl executions` lists them."
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
    """A batch by its id; its report names its key, and before there is one the days are sought."""
    s3 = target.client("s3")
    try:
        body = s3.get_object(Bucket=target.bucket, Key=report_key(batch_id))["Body"].read()
        found = batches_of(target, [str(json.loads(body)["raw_key"])])
    except (s3.exceptions.NoSuchKey, ValueError, KeyError, TypeError):
        sought = batch(target, batch_id)
        found = [sought] if sought is not None else []
    if not found:
        raise NotFoundError(f"No batch '{batch_id}' is staged under s3://{target.bucket}/{RAW}.")
    return found[0]


def _rejecting(target: Target, choice: Choice) -> set[tuple[str, str]]:
    wanted = Wanted(choice.reasons, choice.devices, choice.batches, choice.span)
    return {(reject.day, reject.batch_id) for reject in read_rejects(target, wanted)}


def _first_day(target: Target) -> date | None:
    """The day of the first raw key, or ``None`` where nothing is staged."""
    for entry in listed(target.client("s3"), target.bucket, RAW):
        raw = parse_raw_key(entry["Key"])
        if raw is not None:
            return date.fromisoformat(raw.date)
    return None
