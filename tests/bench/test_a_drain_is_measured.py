"""The prepared queue hands over every message once, and Extract drains it as it drains SQS."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from bench.extract import bodies, seconds_of_drain
from functions.extract.envelope import read_envelope
from telemetry.clients import forget_clients

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {**CREDENTIALS, "AWS_DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which keeps the credentials it has found
    monkeypatch.setenv("AWS_ENDPOINT_URL", "replaced")  # and restored, as the bench sets its own
    yield
    forget_clients()


@pytest.mark.usefixtures("environment")
def test_every_message_is_drained() -> None:
    assert seconds_of_drain(bodies(25, 2)) > 0


def test_messages_are_as_the_topic_rule_writes_them() -> None:
    envelopes = [read_envelope("m", body) for body in bodies(10, 20)]
    assert all(b'"topic":"telemetry/fleet/' in envelope.line for envelope in envelopes)
