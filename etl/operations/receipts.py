"""Receipts of publications, kept in the data bucket for the reconciliation.

A receipt counts the messages that the broker has acknowledged (PUBACK) by the end of a
publication, whether it was interrupted or not. Beside it is a digest of each of them, so that the
reconciliation finds each message in the raw objects, instead of comparing sums.
"""

from __future__ import annotations

import hashlib
import json
import struct
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from etl.aws.s3 import listed
from telemetry.layout import receipt_key, receipt_messages_key

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = [
    "Acknowledgements",
    "Receipt",
    "message_digest",
    "new_publication",
    "read_messages_of",
    "read_receipts",
    "write_receipt",
]

ENDING = ".json"
RECORD = struct.Struct("<qI")
"""One acknowledged message: its digest, and its number of readings."""
MEMORY_BYTES = 16 << 20
"""Digests kept in memory while publishing, 1.4 million messages; those beyond are in a file."""


@dataclass(frozen=True)
class Receipt:
    """One publication. Counts are of readings unless they say otherwise."""

    publication: str
    """Unique name, sortable by time."""
    kind: str
    """``simulate`` or ``publish``."""
    started: str
    messages: int
    """Messages that the broker has acknowledged."""
    readings: int
    rows: int | None = None
    """Rows that must result; ``None`` where the publisher can't know."""
    duplicates: int | None = None
    rejected: int | None = None
    digests: bool = False
    """True if the digests of the messages are beside it, as in all receipts of today."""
    contract: str = ""
    """Digest of the contract by which the readings were counted."""
    unacknowledged: int = 0
    """Messages that were sent, but not acknowledged when the publication was interrupted: they may
    have arrived or not, and are not among ``messages``."""
    of_contract: str | None = None
    """Name of the contract that they are messages of, as keys name it; ``None``: the first one."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data; a receipt of the first contract doesn't name it."""
        found = asdict(self)
        if self.of_contract is None:
            del found["of_contract"]
        return found


class Acknowledgements:
    """The messages of one publication that the broker has acknowledged. Threads may share it."""

    def __init__(self) -> None:
        self.messages = 0
        self.readings = 0
        self._lock = threading.Lock()
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115

    def add(self, digest: int, readings: int) -> None:
        """Count one acknowledged message."""
        with self._lock:
            self.messages += 1
            self.readings += readings
            self._file.write(RECORD.pack(digest, readings))

    def write(self, s3: S3Client, bucket: str, publication: str) -> None:
        """Write the digests beside the receipt of that publication, and close the file."""
        with self._lock:
            self._file.seek(0)
            key = receipt_messages_key(publication)
            s3.put_object(Bucket=bucket, Key=key, Body=self._file)
            self._file.close()


def message_digest(client_id: str | None, payload: bytes, contract: str | None = None) -> int:
    """A signed 64-bit digest of a message, by its client id and the bytes that were sent.

    Publisher and raw object have both: the broker gives a message no id that its publisher learns.
    Of ten million messages, two have the same digest by chance once in 370,000 cases.

    What is published once is a message of each contract whose topic rule it matches; each of these
    has a digest of its own. ``contract`` is the name in keys; ``None``: the first one.
    """
    digest = hashlib.blake2b((client_id or "").encode() + b"\0", digest_size=8)
    if contract is not None:
        digest.update(contract.encode() + b"\0")
    digest.update(payload)
    return int.from_bytes(digest.digest(), "little", signed=True)


def new_publication(kind: str) -> tuple[str, str]:
    """A new publication's name and its start as an ISO time."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S%f}-{kind}", now.isoformat()


def write_receipt(
    s3: S3Client, bucket: str, receipt: Receipt, acknowledged: Acknowledgements | None = None
) -> None:
    """Write a receipt, its messages first; writing it again replaces it."""
    if acknowledged is not None:
        acknowledged.write(s3, bucket, receipt.publication)
    body = json.dumps(receipt.as_dict()).encode()
    s3.put_object(Bucket=bucket, Key=receipt_key(receipt.publication), Body=body)


def read_receipts(s3: S3Client, bucket: str) -> list[tuple[Receipt, datetime]]:
    """All receipts, oldest first, each with the time at which it was written."""
    known = {field.name for field in fields(Receipt)}
    receipts = []
    for entry in listed(s3, bucket, "receipts/"):
        if not entry["Key"].endswith(ENDING):
            continue
        content = json.loads(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
        receipt = Receipt(**{name: value for name, value in content.items() if name in known})
        receipts.append((receipt, entry["LastModified"]))
    return receipts


def read_messages_of(s3: S3Client, bucket: str, publication: str) -> Iterator[tuple[int, int]]:
    """Digest and number of readings of each message that a receipt counts."""
    key, rest = receipt_messages_key(publication), b""
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    for piece in body.iter_chunks(RECORD.size * 8192):
        whole = rest + piece
        end = len(whole) - len(whole) % RECORD.size
        yield from RECORD.iter_unpack(whole[:end])
        rest = whole[end:]
