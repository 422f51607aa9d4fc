"""A pipeline on this machine whose functions write down each request that they make of AWS.

It has the settings of a deployment to AWS, except that no schedule starts anything by itself.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench import messages
from etl.aws.target import Target
from etl.cost.platform_lines import LINE_BYTES
from etl.deployment.deploy import deploy
from infrastructure.settings import DatabaseSettings, DeploySettings, TriggerMode
from layers.target import host_target
from local.emulator.launcher import Emulator
from local.postgres import PostgresServer
from local.stack import LocalStack, ProcessId
from local.traces.launcher import TraceDaemon

__all__ = ["CountedStack", "counted_stack"]

STACK = "counts"
RECORDER = Path(__file__).with_name("request_recorder.py")
NEVER = "rate(365 days)"
SETTLE_SECONDS = 1.0
PLATFORM_LINES = ("START RequestId", "END RequestId", "REPORT RequestId")
"""Beginnings of the lines that the emulator writes in Lambda's place."""


@dataclass
class CountedStack:
    """The deployed pipeline, and what its functions have asked for."""

    target: Target
    settings: DeploySettings
    recorder: Path
    _read: int = 0
    """Bytes of the recorder's file that were counted already."""
    _logged: dict[str, Counter[str]] = field(default_factory=dict)
    _sent: int = 0

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator."""
        return self.target.client(service)

    def deploy(self, **changes: Any) -> None:
        """Deploy again with other settings."""
        self.settings = replace(self.settings, **changes)
        deploy(self.target, self.settings)
        self.take()

    def send(self, count: int, each: int) -> None:
        """Put so many messages with ``each`` readings into the queue, as the topic rule does."""
        url = self.target.outputs["QueueUrl"]
        bodies = self._bodies(count, each)
        for first in range(0, len(bodies), 10):
            chunk = bodies[first : first + 10]
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(chunk)]
            self.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)

    def _bodies(self, count: int, each: int) -> list[str]:
        """Envelopes of readings without faults, newer than all before: an ordinary batch."""
        self._sent += 1
        start, share = messages.START, messages.FAULTY
        messages.START, messages.FAULTY = start + timedelta(hours=self._sent), 0.0
        try:
            raw = messages.raw_lines(count * each, each=each)
        finally:
            messages.START, messages.FAULTY = start, share
        envelopes = [json.loads(line) for line in raw.splitlines()]
        for envelope in envelopes:
            del envelope["message_id"]
        return [json.dumps(envelope, separators=(",", ":")) for envelope in envelopes]

    def take(self) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
        """Requests by operation, and calls and bytes logged, by function since the last time."""
        time.sleep(SETTLE_SECONDS)
        requests: dict[str, Counter[str]] = {}
        file = self.recorder.with_name("requests.ndjson")
        if file.exists():
            with file.open("rb") as lines:
                lines.seek(self._read)
                for line in lines.readlines():
                    found = json.loads(line)
                    requests.setdefault(found["function"], Counter())[found["operation"]] += 1
                self._read = lines.tell()
        return requests, self._log()

    def _log(self) -> dict[str, Counter[str]]:
        logs, new = self.client("logs"), {}
        groups = [
            group["logGroupName"]
            for page in logs.get_paginator("describe_log_groups").paginate()
            for group in page["logGroups"]
            if group["logGroupName"].startswith(f"/aws/lambda/{STACK}-")
        ]
        for group in groups:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
            written: Counter[str] = Counter()
            for line in (event["message"] for page in pages for event in page["events"]):
                if line.startswith(PLATFORM_LINES):
                    written["calls"] += line.startswith(PLATFORM_LINES[0])
                else:
                    written["bytes"] += len(line.encode()) + LINE_BYTES
            name = group.rpartition("-")[2]
            new[name] = written - self._logged.get(name, Counter())
            self._logged[name] = written
        return new


@contextmanager
def counted_stack(
    state: Path, *, trigger: TriggerMode = "schedule", further: Sequence[Path] = ()
) -> Iterator[CountedStack]:
    """Start the stand-ins in ``state`` and deploy; everything stops at the end."""
    traces, postgres = TraceDaemon(state / "traces"), PostgresServer(state / "postgres", tls=True)
    recorder = state / "recorder" / RECORDER.name
    recorder.parent.mkdir(parents=True)
    shutil.copyfile(RECORDER, recorder)
    found = traces.start()
    emulator = Emulator(
        state / "emulator",
        xray_port=found.udp_port,
        session_token=found.session_token,
        variables={"EMULATOR_PRELOAD": str(recorder)},
    )
    try:
        endpoint, database = emulator.start(), postgres.start()
        processes = {"supervisor": ProcessId.of(os.getpid())}
        local = LocalStack.of(state, endpoint, found, database, processes)
        target = Target(STACK, local.region, None, state, local)
        stack = CountedStack(target, _settings(target, local, trigger, further), recorder)
        stack.deploy()
        yield stack
    finally:
        emulator.stop()
        traces.stop()
        postgres.stop()


def _settings(
    target: Target, local: LocalStack, trigger: TriggerMode, further: Sequence[Path]
) -> DeploySettings:
    login = {
        "username": local.database.owner,
        "password": Path(local.database.owner_password_file).read_text().strip(),
    }
    secret = target.client("secretsmanager").create_secret(
        Name="owner", SecretString=json.dumps(login)
    )
    return DeploySettings(
        stack=STACK,
        contract=messages.CONTRACT,
        further_contracts=tuple(further),
        database=DatabaseSettings(
            host=local.database.host,
            port=local.database.tls_port,
            name=local.database.name,
            ca_file=local.database.ca_file,
            owner_secret_arn=str(secret["ARN"]),
        ),
        target=host_target(),
        trigger_mode=trigger,
        schedule_expression=NEVER,
    )
