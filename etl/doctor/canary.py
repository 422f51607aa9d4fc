"""Sends one canary as a device does, and finds the batch that it came in.

The canary is not a reading: Transform sets it aside (:mod:`telemetry.canary`), so that it leaves no
row, no reject and no alarm, and is counted all the same. A row could not be taken back without a
lie: the ledger would count a row that the table no longer has. The device is the stack's own
probe; its certificate is made for this one message and revoked after it.
"""

from __future__ import annotations

import base64
import gzip
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from etl.aws.s3 import listed
from etl.aws.target import Target
from etl.operations.other_contracts import OtherContracts
from etl.operations.receipts import (
    Acknowledgements,
    Receipt,
    message_digest,
    new_publication,
    write_receipt,
)
from local.devices.fleet import device_topic
from local.devices.identity import Identity, register, revoke
from local.devices.mqtt import Broker, ConnectionRefusedByBrokerError, DeviceConnection
from telemetry.canary import canary_payload
from telemetry.layout import day_prefix, outcomes_prefix, parse_outcome_key, parse_raw_key

__all__ = ["Canary", "CanaryBatch", "find_batch", "send_canary", "wait_for_batch"]

CLOCK_DIFFERENCE = timedelta(minutes=5)
"""Largest difference between this machine's clock and that of S3."""
POLL_SECONDS = 2.0
CONNECT_ATTEMPTS = 3
CONNECT_SECONDS = 5.0
"""Seconds between two attempts to connect."""


@dataclass
class Canary:
    """One canary that the broker has acknowledged."""

    payload: bytes
    sent: datetime
    read_keys: set[str] = field(default_factory=set)
    """Raw objects that were searched already."""


@dataclass(frozen=True)
class CanaryBatch:
    """The batch with the canary, as far as it has come."""

    batch_id: str
    raw_key: str
    statuses: frozenset[str]
    """``loaded``, ``failed``, ``quarantined`` or ``discarded``, by the executions that ended."""
    executions: tuple[str, ...]
    """Names of the executions that processed it."""


def send_canary(target: Target) -> Canary:
    """Publish one canary by MQTT, with a receipt; returns once the broker has acknowledged it.

    Raises ``ConnectionRefusedByBrokerError`` where the probe is refused.
    """
    contract, thing = target.contract, target.outputs["ProbeThingName"]
    iot, policy = target.client("iot"), target.outputs["DevicePolicyName"]
    payload = canary_payload(uuid.uuid4().hex)
    publication, started = new_publication("doctor")
    with TemporaryDirectory(prefix="etl-doctor-") as temporary:
        folder = Path(temporary)
        try:
            identity = register(iot, thing, policy=policy, folder=folder)
            with ExitStack() as stack:
                connection = _connect(target.broker(), identity)
                stack.push(connection.__exit__)
                acknowledged, topic = Acknowledgements(), device_topic(contract, thing)
                others = OtherContracts(target.contracts, contract)
                copies = others.send(thing, topic, payload)

                def note() -> None:
                    acknowledged.add(message_digest(thing, payload), 1)
                    copies()

                connection.publish(topic, payload, note)
            receipt = _write_receipt(target, publication, started, acknowledged)
            others.write(target.client("s3"), target.bucket, receipt, same_results=True)
        finally:
            revoke(iot, thing, policy=policy, folder=folder)
    return Canary(payload, datetime.fromisoformat(started))


@retry(
    retry=retry_if_exception_type(ConnectionRefusedByBrokerError),
    stop=stop_after_attempt(CONNECT_ATTEMPTS),
    wait=wait_fixed(CONNECT_SECONDS),
    reraise=True,
)
def _connect(broker: Broker, identity: Identity) -> DeviceConnection:
    """Return a connection; tried again, as a new certificate may take AWS IoT some seconds."""
    return DeviceConnection(broker, identity).__enter__()


def _write_receipt(
    target: Target, publication: str, started: str, acknowledged: Acknowledgements
) -> Receipt:
    """Write the receipt of one message that becomes no row, no duplicate and no reject."""
    receipt = Receipt(
        publication,
        "doctor",
        started,
        messages=1,
        readings=1,
        rows=0,
        duplicates=0,
        rejected=0,
        digests=True,
        contract=target.contract.digest,
    )
    write_receipt(target.client("s3"), target.bucket, receipt, acknowledged)
    return receipt


def wait_for_batch(target: Target, canary: Canary, seconds: float) -> CanaryBatch | None:
    """Wait until an execution has ended with the canary's batch, or the time is over.

    Returns the batch as it was seen last; ``None`` where the canary was not staged.
    """
    deadline = time.monotonic() + seconds
    found: CanaryBatch | None = None
    key: str | None = None
    while True:
        key = key or _raw_key(target, canary)
        if key is not None:
            found = find_batch(target, key)
            if found.statuses:
                return found
        if time.monotonic() >= deadline:
            return found
        time.sleep(POLL_SECONDS)


def find_batch(target: Target, raw_key: str) -> CanaryBatch:
    """Return the batch of a raw object with the outcomes that it has so far."""
    place = parse_raw_key(raw_key)
    prefix = outcomes_prefix(raw_key)
    outcomes = [
        outcome
        for entry in listed(target.client("s3"), target.bucket, prefix)
        if (outcome := parse_outcome_key(entry["Key"])) is not None
    ]
    return CanaryBatch(
        batch_id=place.batch_id if place is not None else "",
        raw_key=raw_key,
        statuses=frozenset(outcome.status for outcome in outcomes),
        executions=tuple(sorted({outcome.execution for outcome in outcomes})),
    )


def _raw_key(target: Target, canary: Canary) -> str | None:
    """Key of the raw object with the canary, ``None`` where there is none yet."""
    text = base64.b64encode(canary.payload)
    s3 = target.client("s3")
    for key in _new_objects(target, canary):
        body = s3.get_object(Bucket=target.bucket, Key=key)["Body"].read()
        canary.read_keys.add(key)
        if text in gzip.decompress(body):
            return key
    return None


def _new_objects(target: Target, canary: Canary) -> Iterator[str]:
    """Keys of raw objects written since, which are under the day of their execution's start."""
    since = canary.sent - CLOCK_DIFFERENCE
    days = {(moment + timedelta(days=n)).date() for moment in (canary.sent,) for n in (-1, 0, 1)}
    for day in sorted(one for one in days if one <= datetime.now(UTC).date()):
        for entry in listed(target.client("s3"), target.bucket, day_prefix(day)):
            raw = parse_raw_key(entry["Key"])
            if raw is None or raw.contract is not None:
                continue  # of a further contract, whose rule the topic may match as well
            if entry["LastModified"] >= since and entry["Key"] not in canary.read_keys:
                yield entry["Key"]
