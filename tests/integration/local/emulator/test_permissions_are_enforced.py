"""An emulator with ``AUTH=true`` holds roles to their policies, as AWS does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.emulator.launcher import Emulator, EmulatorEndpoint

TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
ONLY_TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.fixture(scope="module")
def enforcing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorEndpoint]:
    folder: Path = tmp_path_factory.mktemp("an emulator that enforces")
    server = Emulator(folder, xray_port=9, variables={"AUTH": "true"})
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def client(enforcing: EmulatorEndpoint) -> Callable[..., Any]:
    def of(service: str, key: str = "test", secret: str = "test", token: str | None = None) -> Any:
        where = {"endpoint_url": enforcing.endpoint_url, "region_name": enforcing.region}
        return boto3.client(
            service,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            **where,
        )

    return of


@pytest.fixture(scope="module")
def url(client: Callable[..., Any]) -> str:
    policy = json.dumps({"Version": "2012-10-17", "Statement": [ONLY_TLS]})
    answer = client("sqs").create_queue(QueueName="guarded", Attributes={"Policy": policy})
    return str(answer["QueueUrl"])


@pytest.fixture(scope="module")
def as_drain(client: Callable[..., Any]) -> Any:
    """SQS, as a role that may receive and delete."""
    iam = client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    role = iam.create_role(RoleName="drain", AssumeRolePolicyDocument=trust)["Role"]
    actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage"]
    own = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [own]})
    iam.put_role_policy(RoleName="drain", PolicyName="own", PolicyDocument=document)
    found = client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="drain")["Credentials"]
    return client("sqs", found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


def test_every_request_counts_as_one_by_tls(client: Callable[..., Any], url: str) -> None:
    client("sqs").send_message(QueueUrl=url, MessageBody="one")


def test_a_batch_is_deleted_by_the_permission_to_delete(
    client: Callable[..., Any], as_drain: Any, url: str
) -> None:
    client("sqs").send_message(QueueUrl=url, MessageBody="two")
    received = as_drain.receive_message(QueueUrl=url, WaitTimeSeconds=1)["Messages"]
    entries = [{"Id": "0", "ReceiptHandle": received[0]["ReceiptHandle"]}]
    answer = as_drain.delete_message_batch(QueueUrl=url, Entries=entries)
    assert [one["Id"] for one in answer["Successful"]] == ["0"]


def test_what_no_statement_allows_is_denied(as_drain: Any, url: str) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        as_drain.send_message(QueueUrl=url, MessageBody="three")
