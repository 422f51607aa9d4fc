"""Objects in S3: read, write, stream and list, with errors of our own tree.

============================  ======================================================
:class:`BatchMissingError`        the object is not there
:class:`StorageUnavailableError`  S3 throttled, timed out, broke off or answered 5xx
:class:`ConfigurationError`       no such bucket, or no permission
============================  ======================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from telemetry.clients import calling, client
from telemetry.errors import BatchMissingError

if TYPE_CHECKING:
    from botocore.response import StreamingBody

__all__ = [
    "ObjectStream",
    "StoredObject",
    "get_object",
    "list_objects",
    "open_object",
    "put_object",
]


@dataclass(frozen=True)
class StoredObject:
    """One line of a listing."""

    key: str
    size: int
    """Bytes."""
    modified: datetime


class ObjectStream:
    """The body of an object, read piece by piece; each read may raise what a get may raise."""

    def __init__(self, body: StreamingBody, name: str) -> None:
        self._body = body
        self._name = name

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, all that is left where it is negative; ``b""`` at the end."""
        with calling("s3", f"read {self._name}"):
            return self._body.read(size if size >= 0 else None)

    def close(self) -> None:
        """Gives the connection back, or drops it where the body was not read to its end."""
        self._body.close()


def get_object(bucket: str, key: str) -> bytes:
    """The whole object."""
    with open_object(bucket, key) as stream:
        return stream.read()


@contextmanager
def open_object(
    bucket: str, key: str, *, start: int = 0, end: int | None = None, last: int | None = None
) -> Iterator[ObjectStream]:
    """A stream over the object's bytes ``start`` (inclusive) to ``end`` (exclusive), or over the
    ``last`` ones: as many as that, or all where there are fewer."""
    name = f"s3://{bucket}/{key}"
    request: dict[str, Any] = {"Bucket": bucket, "Key": key}
    if last is not None:
        request["Range"] = f"bytes=-{last}"
    elif start or end is not None:
        request["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
    with calling("s3", f"read {name}"), _missing_named(name):
        answer = client("s3").get_object(**request)
    stream = ObjectStream(answer["Body"], name)
    try:
        yield stream
    finally:
        stream.close()


def put_object(
    bucket: str, key: str, body: bytes, content_type: str = "application/octet-stream"
) -> None:
    """Writes the object whole: a reader sees the old one or the new one, never a part."""
    with calling("s3", f"write s3://{bucket}/{key}"):
        client("s3").put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)


def list_objects(bucket: str, prefix: str) -> Iterator[StoredObject]:
    """All objects below a prefix, in key order, page by page."""
    with calling("s3", f"list s3://{bucket}/{prefix}"):
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for entry in page.get("Contents", ()):
                yield StoredObject(entry["Key"], int(entry["Size"]), entry["LastModified"])


@contextmanager
def _missing_named(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        response = getattr(error, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
        if code not in ("NoSuchKey", "404"):
            raise
        raise BatchMissingError(
            f"{name} does not exist: it was deleted, or the stage that writes it did not finish."
        ) from error
