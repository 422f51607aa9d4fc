"""The bucket of a stack's artifacts: function zips, layers, and templates too large for a request.

An artifact's key names its content, so that one that is there already is never uploaded again, and
a rollback finds those of the deployment before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from etl.aws.cloudformation import StackRequest
from etl.aws.s3 import listed
from layers.notify import Notify

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ServerSideEncryptionRuleTypeDef

    from etl.deployment.stack_build import StackBuild

__all__ = [
    "artifact_bucket_name",
    "ensure_bucket",
    "present_keys",
    "put_template",
    "stack_request",
    "upload",
]

BUCKET_NAME_CHARACTERS = 63
HASH_CHARACTERS = 6


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
    missing = build.missing(present_keys(s3, build.artifact_bucket))
    if missing:
        size = sum(path.stat().st_size for path in missing.values())
        notify(f"uploading {len(missing)} zips, {size / 1e6:.1f} MB")
    for key, path in missing.items():
        s3.upload_file(str(path), build.artifact_bucket, key, Callback=sent)


def put_template(s3: S3Client, build: StackBuild) -> None:
    """Put the stack's template into the bucket."""
    s3.put_object(
        Bucket=build.artifact_bucket, Key=build.template_key, Body=build.template.encode()
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


def present_keys(s3: S3Client, bucket: str) -> set[str]:
    """Return the keys in the bucket, an empty set where there is no such bucket."""
    from botocore.exceptions import ClientError

    try:
        return {item["Key"] for item in listed(s3, bucket, "")}
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return set()
        raise


def ensure_bucket(s3: S3Client, bucket: str, region: str) -> None:
    """Create the bucket where it is missing: encrypted, never public, TLS only.

    Its objects don't expire: a rollback needs the zips of the deployment before.
    """
    from botocore.exceptions import ClientError

    try:
        s3.head_bucket(Bucket=bucket)
        return
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    # S3 rejects a request that names us-east-1, its default region.
    location: dict[str, Any] = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else location))
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
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_tls_only(bucket)))


def _tls_only(bucket: str) -> dict[str, Any]:
    arn = f"arn:aws:s3:::{bucket}"
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
