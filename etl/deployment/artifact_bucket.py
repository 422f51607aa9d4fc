"""The bucket of a stack's artifacts: function zips, layers, and templates too large for a request.

An artifact's key names its content, so that one that is there already is never uploaded again, and
a rollback finds those of the deployment before. S3 keeps the SHA-256 digest of each: it verifies an
upload against it, and a deployment those that are there already.

The bucket's name can be guessed from the stack's, and names are global. So each request says which
account has to own the bucket (:func:`etl.aws.s3.owned_s3`), before anything is uploaded.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.aws.cloudformation import StackRequest
from etl.aws.partition import partition_of
from etl.aws.s3 import listed
from layers.notify import Notify
from telemetry.errors import UserError

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ServerSideEncryptionRuleTypeDef

    from etl.deployment.stack_build import StackBuild

__all__ = [
    "ForeignBucketError",
    "artifact_bucket_name",
    "ensure_bucket",
    "intact_keys",
    "put_template",
    "stack_request",
    "upload",
]

BUCKET_NAME_CHARACTERS = 63
HASH_CHARACTERS = 6
LARGEST_PART_BYTES = 5 * 1024**3
"""Bytes of the largest upload in one part (docs.aws.amazon.com/AmazonS3/latest/userguide/
upload-objects.html, 2026-11). Zips are far smaller, and S3 keeps a digest of the whole for such an
upload alone."""


class ForeignBucketError(UserError):
    """Raised where the artifact bucket belongs to another account; nothing is uploaded then."""


def artifact_bucket_name(stack: str, account: str, region: str) -> str:
    """Name a stack's bucket; a hash replaces the end of a name too long for S3's 63 characters."""
    tail = f"-artifacts-{account}-{region}"
    room = BUCKET_NAME_CHARACTERS - len(tail)
    name = stack.lower()
    if len(name) > room:
        digest = hashlib.sha256(stack.encode()).hexdigest()[:HASH_CHARACTERS]
        name = f"{name[: room - HASH_CHARACTERS - 1].rstrip('-')}-{digest}"
    return name + tail


def upload(
    s3: S3Client, build: StackBuild, region: str, notify: Notify, sent: Callable[[int], None]
) -> None:
    """Upload the zips that the bucket lacks; ``sent`` receives numbers of bytes as they go."""
    ensure_bucket(s3, build.artifact_bucket, region)
    missing = build.missing(intact_keys(s3, build))
    if missing:
        size = sum(path.stat().st_size for path in missing.values())
        notify(f"uploading {len(missing)} zips, {size / 1e6:.1f} MB")
    for key, path in missing.items():
        s3.upload_file(
            str(path),
            build.artifact_bucket,
            key,
            ExtraArgs={"ChecksumSHA256": _digest(path.read_bytes())},
            Callback=sent,
            Config=_in_one_part(),
        )


def put_template(s3: S3Client, build: StackBuild) -> None:
    """Put the stack's template into the bucket."""
    body = build.template.encode()
    s3.put_object(
        Bucket=build.artifact_bucket,
        Key=build.template_key,
        Body=body,
        ChecksumSHA256=_digest(body),
    )


def stack_request(s3: S3Client, build: StackBuild) -> StackRequest:
    """Make the request to CloudFormation; a large template is named by its URL in the bucket."""
    url = f"{s3.meta.endpoint_url}/{build.artifact_bucket}/{build.template_key}"
    body = {"TemplateBody": build.template}
    return StackRequest(
        stack=build.stack,
        template=body if build.template_fits_request else {"TemplateURL": url},
        parameters=build.parameters,
        tags=build.tags,
        resources=len(json.loads(build.template)["Resources"]),
        role=build.role,
    )


def intact_keys(s3: S3Client, build: StackBuild) -> set[str]:
    """Return the keys in the bucket without the build's zips whose digest is not that of the zip.

    Empty where there is no such bucket. Raises :class:`ForeignBucketError`.
    """
    if not _is_there(s3, build.artifact_bucket):
        return set()
    present = {item["Key"] for item in listed(s3, build.artifact_bucket, "")}
    zips = {key: path for key, path in build.packages.uploads.items() if key in present}
    return present - {
        key for key, path in zips.items() if not _is_intact(s3, build.artifact_bucket, key, path)
    }


def _is_intact(s3: S3Client, bucket: str, key: str, path: Path) -> bool:
    head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    return head.get("ChecksumSHA256") == _digest(path.read_bytes())


def _digest(body: bytes) -> str:
    """SHA-256 as S3 writes it."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _in_one_part() -> TransferConfig:
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(multipart_threshold=LARGEST_PART_BYTES)


def _is_there(s3: S3Client, bucket: str) -> bool:
    """True where the bucket exists and is this account's. Raises :class:`ForeignBucketError`."""
    from botocore.exceptions import ClientError

    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return False
        if status == 403:
            raise ForeignBucketError(_foreign(bucket)) from error
        raise
    return True


def _foreign(bucket: str) -> str:
    return (
        f"Bucket {bucket} belongs to another AWS account, or you may not use it. Nothing has been "
        "uploaded. Names of buckets are global, and another account has this one, which is "
        "made of the names of stack, account and region: deploy under another name, with --stack. "
        "If the bucket is yours, you lack s3:ListBucket on it (`etl settings policy deployer`)."
    )


def ensure_bucket(s3: S3Client, bucket: str, region: str) -> None:
    """Create the bucket where it is missing: encrypted, never public, TLS only.

    Its objects don't expire: a rollback needs the zips of the deployment before. Raises
    :class:`ForeignBucketError`.
    """
    from botocore.exceptions import ClientError

    if _is_there(s3, bucket):
        return
    # S3 rejects a request that names us-east-1, its default region.
    location: dict[str, Any] = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else location))
    except ClientError as error:
        if error.response["Error"]["Code"] == "BucketAlreadyExists":
            raise ForeignBucketError(_foreign(bucket)) from error
        raise
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    rule: ServerSideEncryptionRuleTypeDef = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}
    }
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_tls_only(bucket, region)))


def _tls_only(bucket: str, region: str) -> dict[str, Any]:
    arn = f"arn:{partition_of(region)}:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
