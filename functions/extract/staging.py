"""Raw objects: what one execution stages, what its prefix holds, and the manifest of them."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from functions.extract.batches import MicroBatch, compress
from telemetry.errors import BatchMissingError, ConfigurationError
from telemetry.layout import RAW, manifest_key, parse_raw_key, raw_key
from telemetry.manifest import Item, Purpose, manifest_body
from telemetry.storage import list_objects, put_object
from telemetry.tracing import step

__all__ = ["Staged", "Stager", "list_staged", "put_lines", "reference", "require_staged"]

CONTENT_TYPE = "application/gzip"
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class Staged:
    """What an execution deals with, as the state machine passes it on: references and counts."""

    bucket: str
    prefix: str
    manifest: str
    """Key of the list of batches; there is no such object where there are none."""
    batches: int
    messages: int
    bytes: int
    """Of the objects, compressed."""
    concurrency: int
    """Batches that the map may have in flight at once."""

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the input or the output of a state."""
        return asdict(self)


class Stager:
    """Stages the micro-batches of one attempt of one execution. Safe to use from threads.

    Each attempt has ids of its own: one that died has no way to tell how far it got, and writing
    over its objects would lose the messages that it had deleted.
    """

    def __init__(self, bucket: str, prefix: str, execution: str) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._attempt = f"{_NOT_IN_AN_ID.sub('-', execution)}-{secrets.token_hex(3)}"
        self._numbers = itertools.count()

    def stage(self, batch: MicroBatch) -> None:
        """Puts one micro-batch; when this returns, it is safe."""
        batch_id = f"{self._attempt}-{next(self._numbers):04d}"
        put_lines(self._bucket, self._prefix, batch_id, batch.lines)


def put_lines(bucket: str, prefix: str, batch_id: str, lines: list[bytes]) -> Item:
    """Writes one raw object; returns what a manifest says of it."""
    key = raw_key(prefix, batch_id, len(lines))
    with step("stage batch"):
        body = compress(lines)
        put_object(bucket, key, body, CONTENT_TYPE)
    return Item(key, len(body))


def list_staged(bucket: str, prefix: str, purpose: Purpose = "load") -> list[Item]:
    """What is staged under a prefix, by whichever attempt, in the order of the keys."""
    return [
        Item(stored.key, stored.size, purpose)
        for stored in list_objects(bucket, prefix)
        if parse_raw_key(stored.key) is not None
    ]


def reference(
    bucket: str, prefix: str, execution: str, items: Sequence[Item], concurrency: int
) -> Staged:
    """Writes the manifest of an execution, and tells what to go on with.

    The manifest is written after the batches and before anything is started, so whoever reads it
    finds what it names. A retried state writes it anew, with what was staged in between.
    """
    manifest = manifest_key(execution)
    if items:
        put_object(bucket, manifest, manifest_body(items), "application/json")
    found = [raw for item in items if (raw := parse_raw_key(item.key)) is not None]
    return Staged(
        bucket=bucket,
        prefix=prefix,
        manifest=manifest,
        batches=len(items),
        messages=sum(raw.messages for raw in found),
        bytes=sum(item.size for item in items),
        concurrency=concurrency,
    )


def require_staged(bucket: str, prefix: str, purpose: Purpose) -> list[Item]:
    """What is staged under a prefix that a person named: nothing there is a mistake.

    Raises :class:`ConfigurationError` where it isn't a prefix of raw objects, and
    :class:`BatchMissingError` where no object lies under it.
    """
    if not prefix.startswith(RAW):
        raise ConfigurationError(f"The prefix must begin with {RAW}, and {prefix!r} does not.")
    staged = list_staged(bucket, prefix, purpose)
    if not staged:
        raise BatchMissingError(
            f"No raw object lies under s3://{bucket}/{prefix}: check the prefix, and whether the "
            "bucket's lifecycle has removed it."
        )
    return staged
