"""Receipts of publications, kept in the data bucket for the reconciliation.

A receipt is written when a publication ends or is interrupted: it counts the messages that the
broker had acknowledged until then.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.aws.s3 import listed
from telemetry.layout import receipt_key

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["Receipt", "new_publication", "read_receipts", "write_receipt"]


@dataclass(frozen=True)
class Receipt:
    """One publication. Counts are of readings unless they say otherwise."""

    publication: str
    """Unique name, sortable by time."""
    kind: str
    """``simulate`` or ``publish``."""
    started: str
    messages: int
    readings: int
    rows: int | None = None
    """Rows that must result; ``None`` where the publisher can't know."""
    duplicates: int | None = None
    rejected: int | None = None


def new_publication(kind: str) -> tuple[str, str]:
    """A new publication's name and its start as an ISO time."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S%f}-{kind}", now.isoformat()


def write_receipt(s3: S3Client, bucket: str, receipt: Receipt) -> None:
    """Write a receipt; writing it again replaces it."""
    body = json.dumps(asdict(receipt)).encode()
    s3.put_object(Bucket=bucket, Key=receipt_key(receipt.publication), Body=body)


def read_receipts(s3: S3Client, bucket: str) -> list[Receipt]:
    """All receipts, oldest first."""
    receipts = []
    for entry in listed(s3, bucket, "receipts/"):
        body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        receipts.append(Receipt(**json.loads(body)))
    return receipts
