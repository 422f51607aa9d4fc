"""The records of erasures in S3, which name no device."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from etl.aws.s3 import listed
from etl.aws.target import Target
from telemetry.layout import ERASURES

__all__ = ["ErasureRecord", "device_hash", "erasure_records", "unfinished_erasure"]


@dataclass
class ErasureRecord:
    """The record of one request, as it is kept in S3. It names no device."""

    request: str
    salt: str
    device_sha256: str
    """SHA-256 of salt and device, in hexadecimal."""
    contract: str
    requested_at: str
    whole_messages: bool = False
    finished_at: str | None = None
    batches: list[str] = field(default_factory=list)
    """Raw keys of the batches that it changes."""
    messages: int = 0
    """Messages removed or shortened."""
    readings: int = 0
    rows: int = 0
    conflicts: int = 0
    dead_letters: int = 0

    def is_of(self, device: str) -> bool:
        """True if this device is the one that was erased."""
        return secrets.compare_digest(self.device_sha256, device_hash(self.salt, device))


def device_hash(salt: str, device: str) -> str:
    """SHA-256 of salt and device, in hexadecimal."""
    return hashlib.sha256(f"{salt}:{device}".encode()).hexdigest()


def erasure_records(target: Target) -> Iterator[ErasureRecord]:
    """The records of all requests, oldest first."""
    s3, known = target.client("s3"), {one.name for one in fields(ErasureRecord)}
    for entry in listed(s3, target.bucket, ERASURES):
        content = json.loads(s3.get_object(Bucket=target.bucket, Key=entry["Key"])["Body"].read())
        yield ErasureRecord(**{name: content[name] for name in known if name in content})


def unfinished_erasure(target: Target, device: str) -> ErasureRecord | None:
    """The record of an erasure of this device that an earlier call didn't finish."""
    records = (one for one in erasure_records(target) if one.finished_at is None)
    return next((one for one in records if one.is_of(device)), None)
