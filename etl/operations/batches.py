"""Finds staged micro-batches with their history, and sends batches through the workflow again.

Replay, backfill, release and discard write a manifest and start the state machine on it: the same
path as every other batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from etl.aws.s3 import listed
from etl.aws.target import Target
from etl.operations.executions import start
from telemetry.batches import Batch, Listing, batches_below
from telemetry.layout import day_prefix, drain_manifests_prefix, manifest_key, parse_raw_key
from telemetry.manifest import (
    MOST_BATCHES,
    ExecutionInput,
    Item,
    Purpose,
    manifest_body,
    parse_manifest,
)
from telemetry.storage import StoredObject

__all__ = [
    "Batch",
    "batch",
    "batches_between",
    "batches_of",
    "manifest_of",
    "start_over",
]


def batches_between(target: Target, first_day: date, last_day: date) -> Iterator[Batch]:
    """All batches staged by executions that started on these days (UTC, both inclusive).

    They come in the order of days and keys, a day at a time: a month of them need not fit into
    memory.
    """
    day = first_day
    while day <= last_day:
        yield from batches_below(_listing(target), day_prefix(day))
        day += timedelta(days=1)


def batches_of(target: Target, keys: Iterable[str]) -> list[Batch]:
    """The batches of these raw keys, in their order; those no longer staged are left out."""
    wanted = list(dict.fromkeys(keys))
    folders = sorted({key.rpartition("/")[0] + "/" for key in wanted})
    listing = _listing(target)
    found = {batch.key: batch for folder in folders for batch in batches_below(listing, folder)}
    return [found[key] for key in wanted if key in found]


def batch(target: Target, batch_id: str, *, days: int = 90) -> Batch | None:
    """The batch of that id, searched from today backwards; ``None`` where there is none."""
    today, listing = datetime.now(UTC).date(), _listing(target)
    for back in range(-1, days):
        for stored in listing(day_prefix(today - timedelta(days=back))):
            raw = parse_raw_key(stored.key)
            if raw is not None and raw.batch_id == batch_id:
                return batches_of(target, [stored.key])[0]
    return None


def manifest_of(target: Target, execution: str) -> list[Item]:
    """The batches that an execution processed, by its name; none where it had nothing to do.

    An execution that drains several times writes its manifest at its end. While it runs, or where
    it was stopped, those of its drains are put together.
    """
    client = target.client("s3")
    try:
        return _read_manifest(target, manifest_key(execution))
    except client.exceptions.NoSuchKey:
        drains = listed(client, target.bucket, drain_manifests_prefix(execution))
        return [item for entry in drains for item in _read_manifest(target, entry["Key"])]


def _read_manifest(target: Target, key: str) -> list[Item]:
    body = target.client("s3").get_object(Bucket=target.bucket, Key=key)["Body"].read()
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

    ``concurrency``: batches processed in parallel, else the stack's own parameter. The same call
    again while the execution runs returns it; after its end Step Functions refuses the name.
    Raises ``ValueError`` for no batches, for more than :data:`~telemetry.manifest.MOST_BATCHES`,
    and for the name of an execution over other batches.
    """
    if not 1 <= len(batches) <= MOST_BATCHES:
        raise ValueError(
            f"An execution takes 1 to {MOST_BATCHES} batches, not {len(batches)}: start several."
        )
    items = [Item(batch.key, batch.size, purpose) for batch in batches]
    given = ExecutionInput.of(
        target.bucket,
        name,
        items,
        concurrency=concurrency or int(target.parameters["MaxConcurrency"]),
    )
    _write_manifest(target, given.manifest, manifest_body(items), name)
    return start(target, given.as_dict(), name)


def _write_manifest(target: Target, key: str, body: bytes, name: str) -> None:
    """Writes the manifest, never over another: it records what the execution processed."""
    from botocore.exceptions import ClientError

    client = target.client("s3")
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
                f"Execution {name} exists and has other batches: give this one another name."
            ) from error


def _listing(target: Target) -> Listing:
    """Lists the objects of the data bucket under a prefix."""
    client, bucket = target.client("s3"), target.bucket

    def objects(prefix: str) -> Iterator[StoredObject]:
        for entry in listed(client, bucket, prefix):
            yield StoredObject(entry["Key"], int(entry["Size"]), entry["LastModified"])

    return objects
