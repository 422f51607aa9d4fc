"""The queue's client does less in each call; what it sends and what it raises stays the same."""

import json

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ParamValidationError

from telemetry import clients
from telemetry.clients import client


class Body:
    """A body as urllib3 hands it over."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self, *_arguments, **_named):
        yield self.content


@pytest.fixture
def sent(monkeypatch):
    """Requests of the clients that this test builds; each is answered with an empty object."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(clients, "_clients", {})
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which keeps the credentials it has found
    requests = []

    def answer(request, **_):
        requests.append(request)
        return AWSResponse(request.url, 200, {"content-type": "application/json"}, Body(b"{}"))

    client("sqs").meta.events.register("before-send.sqs", answer)
    return requests


def test_a_request_to_the_queue_is_signed_and_whole(sent):
    client("sqs").receive_message(QueueUrl="https://sqs.invalid/1/q", MaxNumberOfMessages=10)
    (request,) = sent
    assert request.headers["Authorization"].startswith(b"AWS4-HMAC-SHA256 Credential=id/")
    assert request.headers["X-Amz-Security-Token"] == b"token"
    assert request.headers["X-Amz-Target"] == b"AmazonSQS.ReceiveMessage"
    assert json.loads(request.body) == {
        "QueueUrl": "https://sqs.invalid/1/q",
        "MaxNumberOfMessages": 10,
    }


def test_the_user_agent_names_the_product(sent):
    client("sqs").receive_message(QueueUrl="https://sqs.invalid/1/q")
    assert sent[0].headers["User-Agent"].startswith(b"telemetry-etl")


def test_only_the_queue_s_client_leaves_arguments_untested(sent):
    client("sqs").receive_message(QueueUrl="https://sqs.invalid/1/q", MaxNumberOfMessages="ten")
    with pytest.raises(ParamValidationError):
        client("s3").get_object(Bucket="b", Key=7)
