"""A pipeline with something to read and something to repair, and the calls that commands make."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import boto3
import pytest
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.deployment.laptop import bring_up
from etl.operations.batches import batches_of, start_over
from etl.operations.executions import follow, latest
from etl.operations.triggers import switch, triggers
from local.stack import stop
from tests.fixtures.local import state_folder
from tests.permissions.deployer import DeployerCall, World, world_of
from tests.permissions.operators import requests_of
from tests.permissions.policies import Request
from tests.permissions.run import same_keys
from tests.permissions.statements import CONTRACT, FURTHER

__all__ = ["CommandRun", "recorded_commands"]

STACK = "operated"
PUBLISHER = "publisher-01"
"""Client of the messages of a file whose readings name no device."""
DAY = f"{datetime.now(UTC):%Y/%m/%d}"


@dataclass
class CommandRun:
    """What the commands of each operator asked of IAM."""

    world: World
    asked: dict[str, list[Request]]
    """Requests by operator: reader, repairer, eraser, publisher."""
    of_roles: list[dict[str, Any]]
    """Statements that allow something to the roles of the stack: functions and services."""


@dataclass
class _Commands:
    state: Path
    folder: Path
    calls: list[DeployerCall]
    target: Target
    made: dict[str, list[DeployerCall]] = field(default_factory=dict)
    who: str = ""

    def etl(self, *words: str, status: int = 0, answer: str | None = None) -> str:
        """Run one command, and count its calls among those of the operator."""
        before = len(self.calls)
        given = ["--state", str(self.state), "--stack", STACK, *words]
        result = CliRunner().invoke(app, given, input=answer)
        assert result.exit_code == status, (words, result.output, result.exception)
        self.made.setdefault(self.who, []).extend(self.calls[before:])
        return result.stdout

    def stage(self, name: str, body: bytes, count: int) -> None:
        """Put a raw batch of so many messages where nothing knows of it, and load it."""
        key = f"raw/{DAY}/{name}/{name}.n{count}.ndjson.gz"
        self.target.client("s3").put_object(Bucket=self.target.bucket, Key=key, Body=body)
        arn = start_over(self.target, batches_of(self.target, [key]), "load", name=f"load-{name}")
        for _ in follow(self.target, arn):
            pass

    def fill_queues(self) -> None:
        """Put a message into each queue that is redriven."""
        sqs, outputs = self.target.client("sqs"), self.target.outputs
        error = {
            "topic": "telemetry/chaos/box",
            "clientId": "box",
            "base64OriginalPayload": base64.b64encode(b'{"readings": []}').decode(),
            "failures": [],
        }
        sqs.send_message(QueueUrl=outputs["DeadLetterQueueUrl"], MessageBody="{}")
        sqs.send_message(QueueUrl=outputs["RuleErrorQueueUrl"], MessageBody=json.dumps(error))


@contextmanager
def recorded_commands(patch: pytest.MonkeyPatch, folder: Path) -> Iterator[CommandRun]:
    """Deploy, fill the pipeline, and run every command of each operator."""
    calls: list[DeployerCall] = []

    class Recording(boto3.Session):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.events.register("before-parameter-build", self.record)

        def record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
            service = model.service_model.service_name
            calls.append(DeployerCall(service, model.name, dict(params)))

    def leave(*_: Any) -> NoReturn:
        raise SystemExit(0)

    strict = folder / "strict.toml"
    text = CONTRACT.read_text(encoding="utf-8")
    strict.write_text(text.replace("max_reject_share = 1.0", "max_reject_share = 0.95"))
    with state_folder() as state:
        try:
            target = bring_up(
                state,
                STACK,
                strict,
                further=(FURTHER,),
                trigger="both",
                # Rarely, and the queue's trigger is off: the commands alone are to do something.
                schedule="rate(30 days)",
                sweep="rate(30 days)",
                channels=True,
                die_with_parent=True,
            )
            _switch_triggers_off(target)
            patch.setattr(boto3, "Session", Recording)
            patch.setattr(os, "execve", leave)  # psql would take this process over
            commands = _Commands(state, folder, calls, target)
            _publish(commands)
            _fill(commands)
            _read(commands)
            _repair(commands)
            _erase(commands)
            world = world_of(target)
            asked = {who: requests_of(made, world) for who, made in commands.made.items()}
            yield CommandRun(world, asked, _role_statements(target))
        finally:
            stop(state)


def _publish(commands: _Commands) -> None:
    commands.who = "publisher"
    messages = commands.folder / "messages.ndjson"
    messages.write_text('{"readings": [{"ts": 1700000000000, "note": "a"}]}\n')
    commands.etl("simulate", "--devices", "1", "--duration", "0.5", "--rate", "10", "--mess", "0.3")
    commands.etl("publish", str(messages))
    # The second time the devices are there.
    commands.etl("publish", str(messages), "--contract", "chaos-states")


def _fill(commands: _Commands) -> None:
    """A loaded batch, one with conflicts, two in quarantine, one that failed, and dead letters."""
    commands.who = "repairer"
    commands.etl("run")
    for name, arrival in (("kept", 2_000_000_000_000), ("lost", 1_000_000_000_000)):
        commands.stage(name, gzip.compress(b"".join(same_keys(name, arrival))), 25)
    for name in ("first", "second"):
        commands.stage(name, gzip.compress(b"no envelope\n" * 25), 25)
    commands.stage("torn", b"no gzip", 3)
    commands.fill_queues()


def _read(commands: _Commands) -> None:
    commands.who = "reader"
    execution = next(one.name for one in latest(commands.target) if "load-" in one.name)
    picture = str(commands.folder / "picture.svg")
    quiet = ("--from", DAY.replace("/", "-"), "--to", "2100-01-01", "--dry-run")
    commands.etl("status", status=1)  # batches in quarantine, one that failed, dead letters
    for words in (
        ("outputs",),
        ("executions",),
        ("logs",),
        ("trace", execution),
        ("diagram", "--output", picture),
        ("diagram", "--execution", execution, "--output", picture),
        ("diagram", "--execution", execution, "--trace", "--output", picture),
        ("metrics",),
        ("metrics", "ReadingsRead"),
        ("athena",),
        ("psql", "--command", "SELECT 1"),
        ("psql", "--as", "analyst", "--command", "SELECT 1"),
        ("connect", "login"),
        ("connect", "grafana", "--out", str(commands.folder / "grafana")),
        ("connect", "dbt", "--out", str(commands.folder / "dbt")),
        ("rejects", "list"),
        ("rejects", "show"),
        ("rejects", "export"),
        ("conflicts", "list"),
        ("table", "show"),
        ("contract", "describe"),
        ("export", str(commands.folder / "rows.csv"), "--cursor", str(commands.folder / "cursor")),
        ("export", str(commands.folder / "rows.parquet")),
        ("lineage", str(commands.folder / "lineage.ndjson")),
        ("conflicts", "export"),
        ("quarantine", "list"),
        ("quarantine", "show", "first"),
        ("dlq", "list"),
        ("triggers", "list"),
        ("alarms",),
        ("alarms", "history"),
        ("alarms", "history", "executions-failed"),
        ("replay", "--failed", "--dry-run"),
        ("backfill", *quiet),
        ("quarantine", "release", "--all", "--dry-run"),
        ("quarantine", "discard", "--all", "--dry-run"),
        ("dlq", "redrive", "--dry-run"),
    ):
        commands.etl(*words)
    commands.etl("outputs", "--platform", status=1)  # there is none
    # Dead letters are not balanced, so these exit with 1.
    commands.etl("reconcile", status=1)
    commands.etl("reconcile", "--deep", status=1)


def _repair(commands: _Commands) -> None:
    commands.who = "repairer"
    for words in (
        ("dlq", "list", "--look", "5"),
        ("dlq", "redrive", "--yes"),
        ("dlq", "redrive", "--queue", "rule-errors", "--yes"),
        ("run",),
        ("sweep", "--dry-run"),
        ("sweep",),
        ("quarantine", "release", "first", "--yes"),
        ("quarantine", "discard", "second", "torn", "--yes"),
        ("replay", "--batch", "kept", "--repair", "--yes"),
        ("backfill", "--from", DAY.replace("/", "-"), "--to", "2100-01-01", "--yes"),
        ("rollups", "refresh"),
        ("rollups", "rebuild"),
        ("table", "maintain"),
        ("alarms", "test", "queue-age", "--yes"),
        ("channels", "list"),
        ("triggers", "enable"),
        ("triggers", "disable"),
    ):
        commands.etl(*words)


def _erase(commands: _Commands) -> None:
    """Forget the device that published a file: it has a batch, copies and dead letters."""
    commands.who = "eraser"
    s3, sqs, target = commands.target.client("s3"), commands.target.client("sqs"), commands.target
    for entry in s3.list_objects_v2(Bucket=target.bucket, Prefix="raw/")["Contents"]:
        batch = entry["Key"].rpartition("/")[2].partition(".")[0]
        key = f"copy/{batch}.{'0' * 16}.csv"  # of an earlier contract
        s3.put_object(Bucket=target.bucket, Key=key, Body=b"")
    topic, payload = (
        f"telemetry/chaos/{PUBLISHER}",
        base64.b64encode(b'{"readings": [{}]}').decode(),
    )
    dead = {"topic": topic, "client_id": PUBLISHER, "received_at": 1, "payload": payload}
    error = {
        "topic": topic,
        "clientId": PUBLISHER,
        "base64OriginalPayload": payload,
        "failures": [],
    }
    commands.fill_queues()
    for queue, body in (("DeadLetterQueueUrl", dead), ("RuleErrorQueueUrl", error)):
        sqs.send_message(QueueUrl=target.outputs[queue], MessageBody=json.dumps(body))
    # The batch that is torn can't be searched, so these exit with 1.
    commands.etl("devices", "forget", PUBLISHER, "--dry-run", status=1)
    commands.etl("devices", "forget", PUBLISHER, "--yes", status=1)
    commands.etl("devices", "erasures", "--device", PUBLISHER)


def _switch_triggers_off(target: Target) -> None:
    """Switch both triggers off, as an administrator may by hand."""
    for one in triggers(target):
        switch(target, one, on=False)


def _role_statements(target: Target) -> list[dict[str, Any]]:
    iam, formation = target.client("iam"), target.client("cloudformation")
    found = []
    for resource in formation.describe_stack_resources(StackName=target.stack)["StackResources"]:
        if resource["ResourceType"] != "AWS::IAM::Role":
            continue
        role = resource["PhysicalResourceId"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            statements = json.loads(document) if isinstance(document, str) else document
            found += [one for one in statements["Statement"] if one["Effect"] == "Allow"]
    return found
