"""The stand-ins and a deployed pipeline, owned by the test process, with handles to break them by.

``local.supervisor`` stops everything when a part dies, which is what a user wants and this suite
doesn't. Here each part can be killed and started again in its place.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from etl.aws.sqs import queue_depth
from etl.aws.target import Target
from etl.deployment.deploy import deploy
from etl.operations.batches import batches_of, start_over
from infrastructure.settings import DatabaseSettings, DeploySettings
from layers.target import host_target
from local.emulator.launcher import Emulator
from local.postgres import PostgresServer
from local.stack import LocalStack, ProcessId
from local.traces.launcher import TraceDaemon
from telemetry.contract import ContractSet, load_contract
from tests.chaos.injector import Injector
from tests.chaos.oracle import Oracle
from tests.chaos.traffic import CONTRACT, Traffic, Truths, line_of

__all__ = ["Rig"]

STACK = "chaos"
CONCURRENCY = 6
"""More than the processors: most of the time a batch waits before it is tried again."""
VISIBILITY_SECONDS = 8
WAIT_SCALE = 0.2
"""Of the state machine's waits before a retry: they are as many as on AWS, and shorter."""
TUNING = {
    "DRAIN_SECONDS": "4",
    "DRAIN_RECEIVERS": "2",
    "BATCH_MESSAGES": "4",  # of all contracts together: a batch has about three
    "SWEEP_GRACE_SECONDS": "1",
}


class Rig:
    """One pipeline that may be broken in any way."""

    def __init__(self, state: Path, seed: int, contract: Path = CONTRACT, *further: Path) -> None:
        self.state = state
        self.seed = seed
        self.contract, self.further = contract, further
        self.contracts = ContractSet.of(map(load_contract, (contract, *further)))
        self.traffic = Traffic(seed, self.contracts)
        self.truth: Truths | Oracle = Truths(self.contracts)
        self.injector = Injector(state / "chaos")
        self.postgres = PostgresServer(state / "postgres", tls=True)
        self._traces = TraceDaemon(state / "traces")
        self._emulator: Emulator | None = None
        self.target: Target
        self._settings: DeploySettings
        self._orphans = self._replays = 0

    def start(self) -> None:
        """Start the stand-ins and deploy. Call it from a thread that lives as long as the rig."""
        traces = self._traces.start()
        self._emulator = Emulator(
            self.state / "emulator",
            xray_port=traces.udp_port,
            session_token=traces.session_token,
            variables=self._variables(),
        )
        found = self._emulator.start()
        database = self.postgres.start()
        processes = {"supervisor": ProcessId.of(os.getpid())}
        local = LocalStack.of(self.state, found, traces, database, processes)
        self.target = Target(STACK, local.region, None, self.state, local)
        self._settings = self._deploy_settings(local)
        self.deploy()
        self.trigger_by_queue(on=False)
        self.queue_url = self.target.outputs["QueueUrl"]
        # The template's least is 30 s: a test can't wait that long for each message that was lost.
        # And here one message may meet more faults in a row than the ten it has receives for.
        dead_letters = {
            "deadLetterTargetArn": self.target.outputs["DeadLetterQueueArn"],
            "maxReceiveCount": 1000,
        }
        self.client("sqs").set_queue_attributes(
            QueueUrl=self.queue_url,
            Attributes={
                "VisibilityTimeout": str(VISIBILITY_SECONDS),
                "RedrivePolicy": json.dumps(dead_letters),
            },
        )

    def stop(self) -> list[psutil.Process]:
        """Stop everything; returns the processes of the functions that outlived the emulator."""
        functions = self.function_processes()
        if self._emulator is not None:
            self._emulator.stop()
        self._traces.stop()
        self.postgres.stop()
        _, alive = psutil.wait_procs(functions, timeout=120)
        return alive

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator."""
        return self.target.client(service)

    def deploy(self, **tuning: str) -> None:
        """Deploy, or deploy again with more variables for every function."""
        deploy(self.target, replace(self._settings, tuning={**TUNING, **tuning}))

    def send(self, count: int) -> None:
        """So many messages straight into the queue."""
        self.send_bodies(self.traffic.bodies(count))

    def send_bodies(self, bodies: Sequence[str]) -> None:
        """These messages, in calls of ten."""
        for start in range(0, len(bodies), 10):
            chunk = bodies[start : start + 10]
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(chunk)]
            answer = self.client("sqs").send_message_batch(QueueUrl=self.queue_url, Entries=entries)
            assert len(answer["Successful"]) == len(chunk)
            for sent in answer["Successful"]:
                self.truth.add(sent["MessageId"], chunk[int(sent["Id"])])

    def orphan(self, day: datetime | None = None) -> None:
        """A batch as an Extract leaves it that dies after deleting the messages; of each contract in turn."""
        contract = self.contracts.contracts[self._orphans % len(self.contracts)]
        name = self.contracts.key_name(contract)
        self._orphans += 1
        execution = f"orphan-{self._orphans:04d}"
        lines = []
        for body in self.traffic.bodies_of(name, 3):
            message_id = str(uuid.uuid4())
            self.truth.add(message_id, body)
            lines.append(line_of(message_id, body))
        batch = f"{execution}.n3" if name is None else f"{execution}.{name}.n3"
        key = f"raw/{day or datetime.now(UTC):%Y/%m/%d}/{execution}/{batch}.ndjson.gz"
        body_of_all = gzip.compress(b"\n".join(lines) + b"\n")
        self.client("s3").put_object(Bucket=self.target.bucket, Key=key, Body=body_of_all)

    def sweep(self, **event: Any) -> dict[str, Any] | None:
        """As the schedule does it; ``None`` where it failed, which the next one makes good."""
        answer = self.client("lambda").invoke(
            FunctionName=f"{STACK}-sweep", Payload=json.dumps(event).encode()
        )
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        return None if answer.get("FunctionError") else found

    def replay(self, keys: Sequence[str]) -> None:
        """What a person does about batches that no sweep takes up again."""
        self._replays += 1
        name = f"replay-{self._replays:04d}"
        start_over(self.target, batches_of(self.target, keys), "replay", name=name)

    def trigger_by_queue(self, *, on: bool) -> None:
        """Switch the event source mapping; a message in its hands comes back by itself."""
        functions = self.client("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)

    def start_execution(self, given: dict[str, Any] | None = None, name: str = "") -> str:
        """As the schedule does it."""
        answer = self.client("stepfunctions").start_execution(
            stateMachineArn=self.target.outputs["StateMachineArn"],
            input=json.dumps(given or {}),
            **({"name": name} if name else {}),
        )
        return str(answer["executionArn"])

    def running(self) -> list[str]:
        """Names of the executions under way."""
        found = self.client("stepfunctions").list_executions(
            stateMachineArn=self.target.outputs["StateMachineArn"], statusFilter="RUNNING"
        )
        return [execution["name"] for execution in found["executions"]]

    def queued(self) -> int:
        """Messages in the queue, hidden ones too."""
        return queue_depth(self.client("sqs"), self.queue_url).total

    def wait_for_database(self, seconds: float = 240.0) -> None:
        """Wait until the database takes connections."""
        until = time.monotonic() + seconds
        while True:
            try:
                self.target.connect().close()
                return
            except psycopg2.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def wait_until_idle(self, seconds: float = 600.0) -> None:
        """Wait until no execution is under way."""
        until = time.monotonic() + seconds
        while (running := self.running()) and time.monotonic() < until:
            time.sleep(0.1)
        assert not running, f"still running after {seconds} s: {running}"

    def restart_emulator(self) -> None:
        """End the emulator in mid-flight, and start it with what S3 and SQS had kept.

        Every execution under way and every function process is gone.
        """
        assert self._emulator is not None
        self._emulator.stop()
        self._emulator.start()

    def kill_postgres(self) -> None:
        """SIGKILL to the server's first process; the others notice and end."""
        process = self.postgres.process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def revive_postgres(self) -> None:
        """Start the killed server again; it replays its log."""
        until = time.monotonic() + 120
        while True:
            try:
                self.postgres._launch()
                return
            except Exception:  # orphans of the killed server may still hold its memory
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def function_processes(self) -> list[psutil.Process]:
        """Processes that the emulator runs functions in."""
        if self._emulator is None or self._emulator.process is None:
            return []
        return psutil.Process(self._emulator.process.pid).children(recursive=True)

    def _variables(self) -> dict[str, str]:
        kept = self.state / "kept"
        return {
            "EMULATOR_PRELOAD": str(self.injector.preload),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(kept / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(kept / "s3"),
            "SFN_WAIT_SCALE": str(WAIT_SCALE),
        }

    def _deploy_settings(self, local: LocalStack) -> DeploySettings:
        login = {
            "username": local.database.owner,
            "password": Path(local.database.owner_password_file).read_text().strip(),
        }
        secret = self.client("secretsmanager").create_secret(
            Name="owner", SecretString=json.dumps(login)
        )
        return DeploySettings(
            stack=STACK,
            contract=self.contract,
            further_contracts=self.further,
            database=DatabaseSettings(
                host=local.database.host,
                port=local.database.tls_port,
                name=local.database.name,
                ca_file=local.database.ca_file,
                owner_secret_arn=str(secret["ARN"]),
            ),
            target=host_target(),
            max_concurrency=CONCURRENCY,
            trigger_mode="both",
            queue_delivery="mapping",
            schedule_expression="rate(1 day)",
            sweep_expression="rate(1 day)",  # the rounds call it themselves
            queue_window_seconds=1,
            visibility_timeout_seconds=30,
            tuning=TUNING,
            retain_data=False,
        )
