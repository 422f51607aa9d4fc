"""Zips and templates go into a bucket of the account, whole; never into a stranger's."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from etl.aws.s3 import owned_s3
from etl.deployment.artifact_bucket import (
    ForeignBucketError,
    ensure_bucket,
    intact_keys,
    put_template,
    upload,
)
from etl.deployment.stack_build import StackBuild

BUCKET = "plant-artifacts-123456789012-eu-central-1"
ZIP = "functions/load-1.zip"


def digest(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def refusal(status: int, code: str) -> ClientError:
    error: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(error, "HeadBucket")


class Bucket:
    """S3 with one bucket, which may be somebody else's."""

    def __init__(self, *, owner: str = "us") -> None:
        self.owner = owner
        self.objects: dict[str, tuple[bytes, str | None]] = {}
        self.written: list[str] = []

    def head_bucket(self, **_: Any) -> None:
        if self.owner == "nobody":
            raise refusal(404, "404")
        if self.owner != "us":
            raise refusal(403, "403")

    def create_bucket(self, **_: Any) -> None:
        self.written.append("bucket")

    def put_public_access_block(self, **_: Any) -> None: ...

    def put_bucket_encryption(self, **_: Any) -> None: ...

    def put_bucket_policy(self, **_: Any) -> None: ...

    def upload_file(
        self, path: str, _: str, key: str, *, ExtraArgs: dict[str, str], Callback: Any, Config: Any
    ) -> None:
        body = Path(path).read_bytes()
        assert Config.multipart_threshold > len(body)
        assert ExtraArgs["ChecksumSHA256"] == digest(body)
        self.written.append(key)
        self.objects[key] = (body, ExtraArgs["ChecksumSHA256"])
        Callback(len(body))

    def put_object(self, *, Key: str, Body: bytes, ChecksumSHA256: str, **_: Any) -> None:
        assert ChecksumSHA256 == digest(Body)
        self.written.append(Key)

    def head_object(self, *, Key: str, ChecksumMode: str, **_: Any) -> dict[str, Any]:
        assert ChecksumMode == "ENABLED"
        kept = self.objects[Key][1]
        return {} if kept is None else {"ChecksumSHA256": kept}

    def get_paginator(self, _: str) -> Any:
        contents = [{"Key": key} for key in self.objects]
        return SimpleNamespace(paginate=lambda **_: [{"Contents": contents}])


@pytest.fixture
def build(tmp_path: Path) -> StackBuild:
    file = tmp_path / "load.zip"
    file.write_bytes(b"code")
    packages = SimpleNamespace(uploads={ZIP: file})
    return StackBuild(
        stack="plant",
        template="{}",
        parameters={},
        tags={},
        artifact_bucket=BUCKET,
        packages=packages,  # type: ignore[arg-type]
    )


def sent_to(bucket: Any, build: StackBuild) -> list[int]:
    sent: list[int] = []
    upload(bucket, build, "eu-central-1", lambda _: None, sent.append)
    return sent


def test_a_missing_bucket_is_created_and_filled(build: StackBuild) -> None:
    bucket = Bucket(owner="nobody")
    assert sent_to(bucket, build) == [4]
    assert bucket.written == ["bucket", ZIP]


def test_a_strangers_bucket_is_an_error_before_anything_is_uploaded(build: StackBuild) -> None:
    bucket = Bucket(owner="a stranger")
    with pytest.raises(ForeignBucketError, match=f"{BUCKET} belongs to another AWS account"):
        sent_to(bucket, build)
    with pytest.raises(ForeignBucketError, match="Nothing has been uploaded"):
        intact_keys(bucket, build)  # type: ignore[arg-type]
    assert bucket.written == []


def test_a_bucket_that_a_stranger_takes_meanwhile_is_the_same_error(build: StackBuild) -> None:
    bucket = Bucket(owner="nobody")

    def taken(**_: Any) -> None:
        raise refusal(409, "BucketAlreadyExists")

    bucket.create_bucket = taken  # type: ignore[method-assign]
    with pytest.raises(ForeignBucketError):
        ensure_bucket(bucket, BUCKET, "eu-central-1")  # type: ignore[arg-type]
    assert bucket.written == []


@pytest.mark.parametrize(
    ("kept", "uploaded"), [(digest(b"code"), []), (digest(b"other"), [ZIP]), (None, [ZIP])]
)
def test_only_a_zip_whose_digest_is_right_is_not_uploaded_again(
    build: StackBuild, kept: str | None, uploaded: list[str]
) -> None:
    bucket = Bucket()
    bucket.objects[ZIP] = (b"?", kept)
    sent_to(bucket, build)
    assert bucket.written == uploaded


def test_a_template_is_put_with_its_digest(build: StackBuild) -> None:
    bucket = Bucket()
    put_template(bucket, build)  # type: ignore[arg-type]
    assert bucket.written == [build.template_key]


def test_every_request_says_who_has_to_own_the_bucket() -> None:
    s3 = boto3.client("s3", "eu-central-1", aws_access_key_id="k", aws_secret_access_key="s")
    sts = SimpleNamespace(get_caller_identity=lambda: {"Account": "123456789012"})
    target: Any = SimpleNamespace(client={"s3": s3, "sts": sts}.__getitem__)
    owned = owned_s3(target)
    assert owned_s3(target) is owned
    ours = {"Bucket": BUCKET, "ExpectedBucketOwner": "123456789012"}
    with Stubber(owned) as stub:
        stub.add_response("head_bucket", {}, ours)
        stub.add_response("put_object", {}, {**ours, "Key": "k", "Body": ANY})
        stub.add_response("list_objects_v2", {}, ours)
        stub.add_response("delete_bucket", {}, ours)
        stub.add_response("create_bucket", {}, {"Bucket": BUCKET})  # it has no such parameter
        owned.head_bucket(Bucket=BUCKET)
        owned.put_object(Bucket=BUCKET, Key="k", Body=b"")
        owned.list_objects_v2(Bucket=BUCKET)
        owned.delete_bucket(Bucket=BUCKET)
        owned.create_bucket(Bucket=BUCKET)
