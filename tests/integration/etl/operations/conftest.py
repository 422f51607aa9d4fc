"""A data bucket of its own in the session's emulator, filled by the pipeline's own Transform."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl.aws.target import Target
from functions.transform.handler import transform
from telemetry.contract import ContractSet, load_contract
from tests.fixtures.local import EmulatorStack
from tests.unit.functions.transform.envelopes_for import line

FLEET = load_contract(Path("contracts/fleet.toml"))
Transformed = Callable[..., str]


def new_target(emulator: EmulatorStack) -> Target:
    """A target whose stack is nothing but a fresh data bucket."""
    s3, sqs = emulator.client("s3"), emulator.client("sqs")
    bucket = f"data-{uuid.uuid4().hex[:10]}"
    s3.create_bucket(Bucket=bucket)
    target = Target(_clients={"s3": s3, "sqs": sqs})
    target.__dict__.update(outputs={"DataBucketName": bucket}, contracts=ContractSet.of([FLEET]))
    return target


def transforming(target: Target) -> Transformed:
    """Stages messages as one batch and transforms it; returns the raw key."""

    def stage(batch: str, *messages: Any, day: str = "2026/11/23", **members: Any) -> str:
        lines = [
            line(m, n, **{"topic": "telemetry/fleet/box-1", "client_id": "box-1", **members})
            for n, m in enumerate(messages, 1)
        ]
        key = f"raw/{day}/run/{batch}.n{len(lines)}.ndjson.gz"
        body = b"\n".join(lines)
        s3 = target.client("s3")
        s3.put_object(Bucket=target.bucket, Key=key, Body=gzip.compress(body))
        for stored in transform(body, FLEET, key, "run")[0]:
            s3.put_object(Bucket=target.bucket, Key=stored.key, Body=stored.body)
        return key

    return stage


@pytest.fixture
def target(emulator: EmulatorStack) -> Target:
    return new_target(emulator)


@pytest.fixture
def transformed(target: Target) -> Transformed:
    return transforming(target)
