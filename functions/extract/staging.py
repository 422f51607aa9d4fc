"""Raw objects: what one execution stages, and what its prefix holds."""

from __future__ import annotations

import itertools
import re
import secrets
from dataclasses import asdict, dataclass
from typing import Any

from functions.extract.batches import MicroBatch, compress
from telemetry.errors import BatchMissingError, ConfigurationError
from telemetry.layout import RAW, parse_raw_key, raw_key
from telemetry.storage import list_objects, put_object
from telemetry.tracing import step

__all__ = ["Staged", "Stager", "list_staged", "put_lines", "require_staged"]

CONTENT_TYPE = "application/gzip"
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class Staged:
    """What lies under a prefix."""

    bucket: str
    prefix: str
    batches: int
    messages: int
    bytes: int
    """Of the objects, compressed."""

    def as_dict(self) -> dict[str, Any]:
        """As the state machine passes it on."""
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


def put_lines(bucket: str, prefix: str, batch_id: str, lines: list[bytes]) -> int:
    """Writes one raw object; returns its size in bytes."""
    with step("stage batch"):
        body = compress(lines)
        put_object(bucket, raw_key(prefix, batch_id, len(lines)), body, CONTENT_TYPE)
    return len(body)


def list_staged(bucket: str, prefix: str) -> Staged:
    """What is staged under a prefix, by whichever attempt."""
    found = [
        (raw.messages, stored.size)
        for stored in list_objects(bucket, prefix)
        if (raw := parse_raw_key(stored.key)) is not None
    ]
    return Staged(
        bucket=bucket,
        prefix=prefix,
        batches=len(found),
        messages=sum(messages for messages, _ in found),
        bytes=sum(size for _, size in found),
    )


def require_staged(bucket: str, prefix: str) -> Staged:
    """What is staged under a prefix that a person named: nothing there is a mistake.

    Raises :class:`ConfigurationError` where it isn't a prefix of raw objects, and
    :class:`BatchMissingError` where no object lies under it.
    """
    if not prefix.startswith(RAW):
        raise ConfigurationError(f"The prefix must begin with {RAW}, and {prefix!r} does not.")
    staged = list_staged(bucket, prefix)
    if not staged.batches:
        raise BatchMissingError(
            f"No raw object lies under s3://{bucket}/{prefix}: check the prefix, and whether the "
            "bucket's lifecycle has removed it."
        )
    return staged
