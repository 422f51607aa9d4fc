"""A run in which everything happens once: each function, each way an execution ends, each repair."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from etl.aws.s3 import listed
from etl.operations.publishing import FleetPlan, simulate
from infrastructure.core.maintenance import EVENT
from infrastructure.settings import DeploySettings
from local.stack import LocalStack
from tests.chaos.rig import Rig
from tests.fixtures.local import state_folder
from tests.permissions.calls import Call, read_calls, requests_of
from tests.permissions.deployed import Stack
from tests.permissions.documented import documented
from tests.permissions.machine import definition_requests, requests_of_services
from tests.permissions.policies import Policies, Request
from tests.permissions.refused import refused
from tests.permissions.statements import CONTRACT, FURTHER

__all__ = ["Recording", "recorded_run", "same_keys"]

_RECORDER = Path(__file__).with_name("recorder.py")
FLEET = FleetPlan(
    devices=1, rate=50, duration=0.5, readings_per_message=5, seed=1, name="box", least=25
)


class RecordedRig(Rig):
    """The chaos suite's pipeline, with a recorder in each function in the place of faults."""

    @property
    def recorder(self) -> Path:
        """Where the recorder lies."""
        return self.state / "recorder" / "recorder.py"

    @property
    def calls(self) -> Path:
        """What it has written so far."""
        return self.recorder.with_name("calls.ndjson")

    def _variables(self) -> dict[str, str]:
        self.recorder.parent.mkdir(parents=True)
        shutil.copyfile(_RECORDER, self.recorder)
        enforced = {
            "AUTH": "true"
        }  # functions call as their roles, which the emulator holds them to
        return {**super()._variables(), "EMULATOR_PRELOAD": str(self.recorder), **enforced}

    def _deploy_settings(self, local: LocalStack) -> DeploySettings:
        """With a VPC, which the emulator doesn't have: its statements are deployed all the same.

        And with gates that hold back a batch of rejects and one of conflicts, a key of the owner's,
        and retention.
        """
        settings = super()._deploy_settings(local)
        key = self.client("kms").create_key(Description="of the owner")["KeyMetadata"]["Arn"]
        self.client("secretsmanager").update_secret(
            SecretId=settings.database.owner_secret_arn, KmsKeyId=key
        )
        strict = self.state / "strict.toml"
        text = CONTRACT.read_text(encoding="utf-8")
        limits = "max_reject_share = 0.95\nconflict_share = 0.95"
        text = text.replace("max_reject_share = 1.0", limits)
        strict.write_text(text.replace("[table]\n", '[table]\nretention = "30d"\n'))
        return replace(
            settings,
            contract=strict,
            further_contracts=(self._further(),),
            channels=True,
            database=replace(settings.database, owner_key_arn=key),
            subnet_ids=("subnet-6a1b",),
            security_group_ids=("sg-6a1b",),
        )

    def _further(self) -> Path:
        """With retention, so with a time in its key, and with topics that are no other's: what one
        policy allows of them is not allowed already."""
        file, text = self.state / "states.toml", FURTHER.read_text(encoding="utf-8")
        for old, new in (
            ("telemetry/{place}", "states/{place}"),
            ('key = ["seq", "device"]', 'key = ["device", "since"]\nretention = "30d"'),
            ("range = [0, inf]\nrequired = true", "range = [0, inf]"),
            ('["iso8601", "epoch_ms"]\non_invalid = "null"', '["epoch_ms"]\nrequired = true'),
        ):
            assert old in text
            text = text.replace(old, new)
        file.write_text(text)
        return file


@dataclass
class Recording:
    """What has been asked for, and the policies that answer."""

    rig: RecordedRig
    stack: Stack
    calls: list[Call]
    keys: list[str]
    """Of everything in the data bucket after the run."""
    told: list[dict[str, Any]]
    """What the executions scheduled, of services other than Lambda."""

    @property
    def policies(self) -> Policies:
        """All statements, resolved."""
        return self.stack.policies

    @cached_property
    def asked(self) -> list[Request]:
        """Every request that must be allowed, each once."""
        every = [
            *(request for call in self.calls for request in requests_of(call, self.stack)),
            *definition_requests(self.stack, self.keys),
            *requests_of_services(self.stack),
            *documented(self.stack),
        ]
        return list(dict.fromkeys(every))

    @cached_property
    def refused(self) -> list[Request]:
        """Every request that must not be."""
        return list(dict.fromkeys(refused(self.stack, self.asked)))

    @cached_property
    def exact(self) -> Policies:
        """The deployed policies, which decide all as they must: else no change could be judged."""
        assert self.broken_by(self.policies) is None
        return self.policies

    def broken_by(self, policies: Policies) -> Request | None:
        """A request that these policies decide otherwise than they must, if there is one."""
        missing = (request for request in self.asked if not policies.allow(request))
        open_doors = (request for request in self.refused if policies.allow(request))
        return next(missing, None) or next(open_doors, None)


@contextmanager
def recorded_run() -> Iterator[Recording]:
    """Deploy, have everything happen, and keep the stack while its policies are read."""
    with state_folder() as state:
        rig = RecordedRig(state, 5, CONTRACT, FURTHER)
        try:
            rig.start()
            _everything_once(rig)
            stack = Stack(rig.target)
            _ = stack.policies
            keys = [o["Key"] for o in listed(rig.client("s3"), rig.target.bucket, "")]
            recording = Recording(rig, stack, read_calls(rig.calls), keys, list(_scheduled(rig)))
            _ = recording.asked, recording.refused
            yield recording
        finally:
            rig.stop()


def _everything_once(rig: RecordedRig) -> None:
    """Queue trigger, schedule, drain loop, failure, quarantine, replay, sweep; migrate ran at the deployment."""
    rig.trigger_by_queue(on=True)
    simulate(rig.target, rig.target.contract, FLEET)
    _until(lambda: not rig.queued())
    rig.wait_until_idle()
    rig.trigger_by_queue(on=False)
    _sweep_beside_an_execution(rig)
    _drain_again_and_again(rig)
    day = f"{datetime.now(UTC):%Y/%m/%d}"
    torn, lost = f"raw/{day}/torn/torn.n3.ndjson.gz", f"raw/{day}/torn/lost.n3.ndjson.gz"
    rejects = f"raw/{day}/rejects/rejects.n25.ndjson.gz"
    for key, body in ((torn, b"no gzip"), (rejects, gzip.compress(b"no envelope\n" * 25))):
        rig.client("s3").put_object(Bucket=rig.target.bucket, Key=key, Body=body)
    rig.replay([torn, rejects])
    rig.wait_until_idle()
    first, further = "kept", f"old.{rig.contracts.names[1]}"
    batches = {n: f"raw/{day}/conflicts/{n}.n25.ndjson.gz" for n in (first, further, "lost")}
    for names, arrival in (((first, further), 2_000_000_000_000), (("lost",), 1_000_000_000_000)):
        for name in names:
            body = gzip.compress(b"".join(same_keys(name, arrival)))
            rig.client("s3").put_object(Bucket=rig.target.bucket, Key=batches[name], Body=body)
        rig.replay([batches[name] for name in names])
        rig.wait_until_idle()
    _start_over_one_that_is_gone(rig, lost)
    rig.start_execution({"prefix": f"raw/{day}/"})
    rig.wait_until_idle()
    _notify(rig)
    rig.orphan()
    time.sleep(1.1)  # the sweep's grace, as the rig has it
    swept = rig.sweep()
    assert swept is not None
    assert swept["started"]
    rig.wait_until_idle()
    _maintain(rig, batches[first], batches[further])


def _maintain(rig: RecordedRig, *gone: str) -> None:
    """As its schedule does it: most readings, those of :func:`same_keys` among them, are too old.

    The messages of a batch of each contract are gone, so that it is looked for in the clean zone
    as well.
    """
    for key in gone:
        rig.client("s3").delete_object(Bucket=rig.target.bucket, Key=key)
    name = rig.target.outputs["MigrateFunctionName"]
    answer = rig.client("lambda").invoke(FunctionName=name, Payload=json.dumps(EVENT).encode())
    done = json.loads(answer["Payload"].read())
    for contract in rig.contracts:
        assert sum(one["rows"] for one in done["contracts"][contract.name]["dropped"]) >= 25


def _notify(rig: RecordedRig) -> None:
    """A notification to a channel that is not there: what is asked for comes before it."""
    nowhere = {"signing_key": "k", "webhook": {"url": "http://127.0.0.1:9/"}}
    rig.client("secretsmanager").put_secret_value(
        SecretId=rig.target.outputs["ChannelsSecretArn"], SecretString=json.dumps(nowhere)
    )
    sent = {"Sns": {"MessageId": "1", "Subject": "Test", "Message": "Nothing is wrong."}}
    rig.client("lambda").invoke(
        FunctionName=rig.target.outputs["NotifyFunctionName"],
        Payload=json.dumps({"Records": [sent]}).encode(),
    )


def same_keys(name: str, arrival: int) -> Iterator[bytes]:
    """Lines of 25 readings whose keys are those of every other batch of these."""
    for number in range(25):
        reading = {"readings": [{"ts": 1_700_000_000_000 + number, "note": name}]}
        envelope = {
            "message_id": f"{name}-{number}",
            "topic": "telemetry/chaos/twice",
            "client_id": "twice",
            "received_at": arrival,
            "payload": base64.b64encode(json.dumps(reading).encode()).decode(),
        }
        yield json.dumps(envelope).encode() + b"\n"


def _sweep_beside_an_execution(rig: RecordedRig) -> None:
    """The schedule's drain, and a sweep that finds it under way; the first sweep may come late."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        rig.send(20)
        rig.start_execution()
        rig.sweep(recent=True)
        rig.wait_until_idle()
        if any(c.operation == "DescribeExecution" for c in read_calls(rig.calls)):
            return
    raise AssertionError("no sweep met an execution under way")


def _drain_again_and_again(rig: RecordedRig) -> None:
    """A drain loop, of which two drains have messages: their manifests are put together."""
    rig.send(20)
    name = "a-loop"
    rig.start_execution({"drains": {"every": 2, "seconds": 20}}, name)
    prefix = f"manifests/{name}/"
    _until(lambda: any(listed(rig.client("s3"), rig.target.bucket, prefix)))
    rig.send(20)
    rig.wait_until_idle()


def _start_over_one_that_is_gone(rig: Rig, key: str) -> None:
    """A batch that was deleted between the listing and its turn."""
    s3, name = rig.client("s3"), "one-is-gone"
    manifest = f"manifests/{name}.json"
    body = b'[{"key": "%s", "size": 1, "purpose": "load"}]' % key.encode()
    s3.put_object(Bucket=rig.target.bucket, Key=manifest, Body=body)
    given = {"bucket": rig.target.bucket, "manifest": manifest, "batches": 1, "concurrency": 1}
    rig.start_execution(given, name)
    rig.wait_until_idle()


def _until(done: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _scheduled(rig: Rig) -> Iterator[dict[str, Any]]:
    """Tasks of services in the histories of the executions."""
    states = rig.client("stepfunctions")
    machine = rig.target.outputs["StateMachineArn"]
    for execution in states.list_executions(stateMachineArn=machine)["executions"]:
        history = states.get_execution_history(executionArn=execution["executionArn"])
        for event in history["events"]:
            details = event.get("taskScheduledEventDetails")
            if details:
                yield details
