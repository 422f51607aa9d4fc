"""Staged micro-batches, what became of each, and how they are sent through the workflow again.

What a batch's history is follows from two listings, of ``raw/`` and of ``outcomes/`` (see
:mod:`telemetry.layout`); no object is read. Whoever starts batches over (replay, backfill, release,
discard) writes a manifest and starts the state machine on it: the same path as every other batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from etl.aws.s3 import listed
from etl.aws.target import Target
from etl.operations.executions import start
from telemetry.layout import (
    OutcomeKey,
    RawKey,
    day_prefix,
    manifest_key,
    outcomes_prefix,
    parse_outcome_key,
    parse_raw_key,
)
from telemetry.manifest import Item, Purpose, manifest_body, parse_manifest

__all__ = [
    "MOST_BATCHES",
    "Batch",
    "batch",
    "batches_between",
    "batches_of",
    "manifest_of",
    "start_over",
]

MOST_BATCHES = 10_000
"""Of one execution: Summarize reads the outcome of each in the time of one function call."""


@dataclass(frozen=True)
class Batch:
    """One staged micro-batch."""

    raw: RawKey
    key: str
    size: int
    """Bytes, compressed."""
    staged_at: datetime
    outcomes: tuple[OutcomeKey, ...] = ()
    """How it ended in each execution that dealt with it, the last one last."""

    @property
    def settled(self) -> bool:
        """Whether the ledger has a row of it."""
        return any(outcome.settled for outcome in self.outcomes)

    @property
    def status(self) -> str:
        """Of its last outcome that settled it, else ``failed``, or ``staged`` without any."""
        settled = [outcome.status for outcome in self.outcomes if outcome.settled]
        if settled:
            return settled[-1]
        return "failed" if self.outcomes else "staged"


def batches_between(target: Target, first_day: date, last_day: date) -> Iterator[Batch]:
    """All batches staged by executions that started on these days (UTC, both inclusive).

    In the order of days and keys, and lazily: a month of batches need not fit into memory.
    """
    day = first_day
    while day <= last_day:
        yield from _below(target, day_prefix(day))
        day += timedelta(days=1)


def batches_of(target: Target, keys: Iterable[str]) -> list[Batch]:
    """The batches of these raw keys, in their order; what isn't staged any more is left out."""
    wanted = list(dict.fromkeys(keys))
    folders = sorted({key.rpartition("/")[0] + "/" for key in wanted})
    found = {batch.key: batch for folder in folders for batch in _below(target, folder)}
    return [found[key] for key in wanted if key in found]


def batch(target: Target, batch_id: str, *, days: int = 90) -> Batch | None:
    """The batch of that id, sought from today backwards; ``None`` where there is none."""
    today = datetime.now(UTC).date()
    for back in range(-1, days):
        for stored in _list(target, day_prefix(today - timedelta(days=back))):
            raw = parse_raw_key(stored["Key"])
            if raw is not None and raw.batch_id == batch_id:
                return batches_of(target, [stored["Key"]])[0]
    return None


def manifest_of(target: Target, execution: str) -> list[Item]:
    """The batches that an execution dealt with, by its name; none where it had nothing to do."""
    client, key = target.client("s3"), manifest_key(execution)
    try:
        body = client.get_object(Bucket=target.bucket, Key=key)["Body"].read()
    except client.exceptions.NoSuchKey:
        return []
    return parse_manifest(body, key)


def start_over(
    target: Target,
    batches: Sequence[Batch],
    purpose: Purpose,
    *,
    name: str,
    concurrency: int | None = None,
) -> str:
    """Send batches through the workflow as one execution of that name; returns its ARN.

    ``concurrency``: batches in flight at once, else what the stack has as its parameter. The same
    call again while the execution runs returns it; after its end Step Functions refuses the name.
    Raises ``ValueError`` for no batches, for more than :data:`MOST_BATCHES`, and for the name of
    an execution over other batches.
    """
    if not 1 <= len(batches) <= MOST_BATCHES:
        raise ValueError(
            f"An execution takes 1 to {MOST_BATCHES} batches, not {len(batches)}: start several."
        )
    items = [Item(batch.key, batch.size, purpose) for batch in batches]
    manifest = _write_manifest(target, name, manifest_body(items))
    given: dict[str, Any] = {
        "bucket": target.bucket,
        "manifest": manifest,
        "batches": len(items),
        "messages": sum(batch.raw.messages for batch in batches),
        "bytes": sum(batch.size for batch in batches),
        "concurrency": concurrency or int(target.parameters["MaxConcurrency"]),
    }
    return start(target, given, name)


def _write_manifest(target: Target, name: str, body: bytes) -> str:
    """Writes the manifest, never over another: it tells for good what an execution dealt with."""
    from botocore.exceptions import ClientError

    client, key = target.client("s3"), manifest_key(name)
    try:
        client.put_object(
            Bucket=target.bucket,
            Key=key,
            Body=body,
            ContentType="application/json",
            IfNoneMatch="*",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        present = client.get_object(Bucket=target.bucket, Key=key)["Body"].read()
        if present != body:
            raise ValueError(
                f"There is an execution {name} over other batches: give this one another name."
            ) from error
    return key


def _below(target: Target, prefix: str) -> Iterator[Batch]:
    """Batches under a prefix of raw objects, each with its outcomes."""
    ended: dict[str, list[tuple[datetime, OutcomeKey]]] = {}
    for stored in _list(target, outcomes_prefix(prefix)):
        outcome = parse_outcome_key(stored["Key"])
        if outcome is not None:
            ended.setdefault(outcome.raw_key, []).append((stored["LastModified"], outcome))
    for stored in _list(target, prefix):
        raw = parse_raw_key(stored["Key"])
        if raw is None:
            continue
        outcomes = sorted(ended.get(stored["Key"], []), key=lambda found: found[0])
        yield Batch(
            raw,
            stored["Key"],
            int(stored["Size"]),
            stored["LastModified"],
            tuple(outcome for _, outcome in outcomes),
        )


def _list(target: Target, prefix: str) -> Iterator[dict[str, Any]]:
    return listed(target.client("s3"), target.bucket, prefix)
