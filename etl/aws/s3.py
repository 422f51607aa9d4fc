"""Lists the objects of a bucket page by page, and limits a client to an account's own buckets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectTypeDef

    from etl.aws.target import Target

__all__ = ["EXPECTED_OWNER", "listed", "owned_s3"]

EXPECTED_OWNER = "ExpectedBucketOwner"
"""Parameter with which S3 refuses a request, with 403, where another account owns the bucket."""


def owned_s3(target: Target) -> S3Client:
    """Return the target's S3 client, limited to buckets of the caller's account from now on.

    Names of buckets are global: one that can be guessed may be taken by another account.
    Every request says whose the bucket has to be, except CreateBucket, which can't.
    """
    s3 = target.client("s3")
    account = target.client("sts").get_caller_identity()["Account"]

    def expect_owner(params: dict[str, Any], model: Any, **_: Any) -> Any:
        if EXPECTED_OWNER not in model.input_shape.members:
            return params
        return {EXPECTED_OWNER: account, **params}

    events: Any = s3.meta.events  # its types have no handler that returns parameters
    events.register("provide-client-params.s3", expect_owner, unique_id=EXPECTED_OWNER)
    return s3


def listed(s3: S3Client, bucket: str, prefix: str, **options: Any) -> Iterator[ObjectTypeDef]:
    """Yield the entries (``Key``, ``Size``, ``LastModified``) under a prefix in the order of keys.

    ``options`` are further parameters of ListObjectsV2, such as ``StartAfter``.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **options)
    for page in pages:
        yield from page.get("Contents", ())
