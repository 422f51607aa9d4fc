"""Lists the objects of a bucket, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["listed"]


def listed(s3: Any, bucket: str, prefix: str, **options: Any) -> Iterator[dict[str, Any]]:
    """Yield the entries (``Key``, ``Size``, ``LastModified``) under a prefix in the order of keys.

    ``options`` are further parameters of ListObjectsV2, such as ``StartAfter``.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **options)
    for page in pages:
        yield from page.get("Contents", ())
