"""Lists the objects of a bucket, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectTypeDef

__all__ = ["listed"]


def listed(s3: S3Client, bucket: str, prefix: str, **options: Any) -> Iterator[ObjectTypeDef]:
    """Yield the entries (``Key``, ``Size``, ``LastModified``) under a prefix in the order of keys.

    ``options`` are further parameters of ListObjectsV2, such as ``StartAfter``.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **options)
    for page in pages:
        yield from page.get("Contents", ())
