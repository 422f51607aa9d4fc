"""Running executions and the batches that they process: the owners of what is under way."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from etl.aws.target import Target
from telemetry.errors import BatchCorruptError
from telemetry.layout import RawKey, manifest_key
from telemetry.manifest import parse_input, parse_manifest

__all__ = ["ActiveExecution", "active_executions", "owner_of"]

READERS = 8


@dataclass(frozen=True)
class ActiveExecution:
    """A running execution."""

    name: str
    keys: frozenset[str] | None = None
    """Raw keys in its manifest; ``None`` while it has none."""
    prefix: str = ""
    """Prefix in its input, where it lists one and has no manifest yet."""

    def processes(self, key: str, raw: RawKey) -> bool:
        """True if it processes this batch, or will once it has staged it."""
        if self.keys is not None:
            return key in self.keys
        return raw.execution == self.name or bool(self.prefix and key.startswith(self.prefix))


def owner_of(
    key: str, raw: RawKey, active: Iterable[ActiveExecution], ended: Iterable[str]
) -> str | None:
    """Name of the running execution that a batch waits for, ``None`` without one.

    ``ended``: executions in which the batch has ended already, though they go on with others.
    """
    over = set(ended)
    for execution in active:
        if execution.name not in over and execution.processes(key, raw):
            return execution.name
    return None


def active_executions(target: Target) -> list[ActiveExecution]:
    """The executions that are running, with the batches of each."""
    states = target.client("stepfunctions")
    pages = states.get_paginator("list_executions").paginate(
        stateMachineArn=target.outputs["StateMachineArn"], statusFilter="RUNNING"
    )
    arns = [found["executionArn"] for page in pages for found in page["executions"]]
    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(lambda arn: _described(target, arn), arns))


def _described(target: Target, arn: str) -> ActiveExecution:
    found = target.client("stepfunctions").describe_execution(executionArn=arn)
    name, given = str(found["name"]), parse_input(found.get("input"))
    client, key = target.client("s3"), str(given.get("manifest") or manifest_key(found["name"]))
    try:
        body = client.get_object(Bucket=target.bucket, Key=key)["Body"].read()
        items = parse_manifest(body, key)
    except (client.exceptions.NoSuchKey, BatchCorruptError):
        return ActiveExecution(name, prefix=str(given.get("prefix") or ""))
    return ActiveExecution(name, frozenset(item.key for item in items))
