"""The objects that Transform writes, and the writing of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from telemetry.checksums import Checksum
from telemetry.clients import calling, client
from telemetry.parallel import run_in_parallel
from telemetry.storage import put_object

__all__ = ["Stored", "store"]


@dataclass(frozen=True)
class Stored:
    """One object to be written."""

    key: str
    body: bytes
    content_type: str
    known: Checksum | None = None
    """Its checksum, where that has been counted already."""
    only_over: bool = False
    """True for an object that is written only over an earlier one of its key, which the batch left
    there when it was transformed before; as a new object it would say nothing."""

    @property
    def checksum(self) -> Checksum:
        """Checksum of the body."""
        return self.known or Checksum.of(self.body)


def store(bucket: str, objects: Sequence[Stored]) -> None:
    """Writes the objects at the same time, and then the last one, the report that names them.

    So whoever reads the report finds the others.
    """
    *named, report = objects
    run_in_parallel([partial(_write, bucket, stored) for stored in named])
    _write(bucket, report)


def _write(bucket: str, stored: Stored) -> None:
    if not stored.only_over or _may_exist(bucket, stored.key):
        put_object(bucket, stored.key, stored.body, stored.content_type)


def _may_exist(bucket: str, key: str) -> bool:
    """False only if S3 says that there is no such object: asking costs a twelfth of writing one.

    Also true where the role may not ask yet, as a role's new permission takes effect a moment after
    the deployment that adds it.
    """
    from botocore.exceptions import ClientError

    with calling("s3", f"look for s3://{bucket}/{key}"):
        try:
            client("s3").head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("404", "NoSuchKey"):
                return False
            if code not in ("403", "AccessDenied"):
                raise
    return True
