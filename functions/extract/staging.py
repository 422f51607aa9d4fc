"""Stages raw objects, lists those under a prefix, and writes the manifest of an execution."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from functions.extract.batches import MicroBatch, compress
from telemetry.checksums import Checksum
from telemetry.errors import BatchMissingError, ConfigurationError
from telemetry.layout import RAW, drain_manifest_key, manifest_key, parse_raw_key, raw_key
from telemetry.manifest import ExecutionInput, Item, Purpose, manifest_body, parse_manifest
from telemetry.storage import get_object, list_objects, put_object
from telemetry.tracing import step

__all__ = [
    "Stager",
    "batch_name",
    "list_staged",
    "put_batch",
    "require_staged",
    "write_manifest",
    "write_whole_manifest",
]

READERS = 8
CONTENT_TYPE = "application/gzip"
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")


class Stager:
    """Stages the micro-batches of one attempt of one execution. Safe to use from threads.

    Each attempt has ids of its own: an attempt that died can't say how far it got, and overwriting
    its objects would lose the messages that it had deleted from the queue.
    """

    def __init__(self, bucket: str, prefix: str, name: str) -> None:
        """``name``: beginning of the ids, see :func:`batch_name`."""
        self._bucket = bucket
        self._prefix = prefix
        self._attempt = f"{name}{secrets.token_hex(3)}"
        self._numbers = itertools.count()

    def stage(self, batch: MicroBatch) -> None:
        """Writes one micro-batch to S3; when this returns, it is safe."""
        batch_id = f"{self._attempt}-{next(self._numbers):04d}"
        put_batch(self._bucket, self._prefix, batch_id, batch)


def batch_name(execution: str, drain: int | None = None) -> str:
    """Beginning of the ids of the batches of an execution, or of one of its drains.

    A retried attempt at a drain lists what begins like this: the batches of its own drain, whoever
    staged them, and not those of the drains before.
    """
    of = "" if drain is None else f"d{drain:04d}-"
    return f"{_NOT_IN_AN_ID.sub('-', execution)}-{of}"


def put_batch(bucket: str, prefix: str, batch_id: str, batch: MicroBatch) -> Item:
    """Writes one raw object; returns its item of a manifest."""
    key = raw_key(prefix, batch_id, len(batch.lines), batch.contract)
    with step("stage batch"):
        body = compress(batch.lines)
        put_object(bucket, key, body, CONTENT_TYPE)
    return Item(key, len(body))


def list_staged(bucket: str, prefix: str, purpose: Purpose = "load") -> list[Item]:
    """Items of the raw objects under a prefix, of every attempt, in the order of the keys."""
    return [
        Item(stored.key, stored.size, purpose)
        for stored in list_objects(bucket, prefix)
        if parse_raw_key(stored.key) is not None
    ]


def write_manifest(
    bucket: str,
    prefix: str,
    execution: str,
    items: Sequence[Item],
    concurrency: int,
    drain: int | None = None,
) -> ExecutionInput:
    """Writes the manifest of an execution, if there are batches; returns the execution's input.

    The manifest is written after the batches and before an execution starts, so whoever reads it
    finds the objects that it names. A retried state overwrites it and adds what was staged since.
    ``drain``: number of the drain, where the execution has several.
    """
    key = None if drain is None else drain_manifest_key(execution, drain)
    given = ExecutionInput.of(
        bucket, execution, items, concurrency=concurrency, prefix=prefix, manifest=key
    )
    if items:
        put_object(bucket, given.manifest, manifest_body(items), "application/json")
    return given


def write_whole_manifest(bucket: str, execution: str, drains: Iterable[int]) -> dict[str, Any]:
    """Writes the manifest of an execution from those of its drains, which are put together.

    Not from a listing: a batch that a dying attempt staged too late for the manifest of its drain
    was not processed by this execution; the sweep loads it. Returns what Summarize needs, as JSON
    members.
    """

    def items_of(drain: int) -> list[Item]:
        key = drain_manifest_key(execution, drain)
        return parse_manifest(get_object(bucket, key), key)

    with ThreadPoolExecutor(READERS) as readers:
        items = [item for some in readers.map(items_of, drains) for item in some]
    body, key = manifest_body(items), manifest_key(execution)
    put_object(bucket, key, body, "application/json")
    return {
        "manifest": key,
        "manifest_sha256": Checksum.of(body).sha256,
        "batches": len(items),
    }


def require_staged(bucket: str, prefix: str, purpose: Purpose) -> list[Item]:
    """Items of the raw objects under a prefix that an operator named.

    Raises :class:`ConfigurationError` where it isn't a prefix of raw objects, and
    :class:`BatchMissingError` where no object has it.
    """
    if not prefix.startswith(RAW):
        raise ConfigurationError(f"The prefix must begin with {RAW}, not {prefix!r}.")
    staged = list_staged(bucket, prefix, purpose)
    if not staged:
        raise BatchMissingError(
            f"There are no raw objects under s3://{bucket}/{prefix}: check the prefix, and whether "
            "the bucket's lifecycle rule has deleted them."
        )
    return staged
