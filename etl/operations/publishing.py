"""Publishes as devices do: with registered identities, over MQTT, and with a receipt at the end.

The receipt counts what the broker has acknowledged, also where the publication was interrupted.
Used by ``etl simulate``, ``etl publish``, the notebook and the tests. Progress is reported
through a callback, so nothing here prints.
"""

from __future__ import annotations

import gzip
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from etl.aws.target import Target
from etl.operations.receipts import (
    Acknowledgements,
    Receipt,
    message_digest,
    new_publication,
    write_receipt,
)
from local.devices.fleet import SimulatedDevice, Truth, as_sent, device_topic
from local.devices.identity import Identity, register
from local.devices.mqtt import DeviceConnection, MessageTooLargeError
from telemetry.contract.model import Contract

__all__ = ["FleetPlan", "publish_file", "read_messages", "simulate"]

MESSAGE_BYTES = 120 * 1024
"""Largest payload to make, which leaves room for the topic: AWS IoT takes 128 KB per message
(AWS IoT Core message broker limits, AWS General Reference, read 2026-11)."""

UNLIMITED_INTERVAL = 1e-5
"""Seconds between readings of a fleet without a rate; shorter than any device here needs."""

Progress = Callable[[int, int], None]
"""Called with the messages and readings published so far."""


@dataclass(frozen=True)
class FleetPlan:
    """Size and behaviour of a simulated fleet."""

    devices: int = 20
    rate: float = 50.0
    """Messages per second, over all devices; 0 is as fast as the broker accepts them."""
    duration: float = 20.0
    """Seconds of publishing."""
    readings_per_message: int = 20
    mess: float = 0.02
    """Share of messages, and of readings, that are malformed (0 to 1)."""
    seed: int = 1
    name: str = "device"
    """Prefix of the names of things: ``<name>-0001`` and so on."""
    basic_ingest: bool = False
    """Publish directly to the rule, without the message broker."""

    @property
    def interval(self) -> float:
        """Seconds between the readings of a device at this rate; almost none without a rate."""
        if not self.rate:
            return UNLIMITED_INTERVAL
        return self.devices / (self.rate * self.readings_per_message)


def register_devices(target: Target, names: Iterable[str]) -> list[Identity]:
    """Identities of these things, registered where they are not yet."""
    iot, policy = target.client("iot"), target.outputs["DevicePolicyName"]
    return [register(iot, name, policy=policy, folder=target.devices_folder) for name in names]


def _before_the_topic(target: Target, *, basic_ingest: bool) -> str:
    """Prefix of a device's topic."""
    return f"{target.outputs['BasicIngestPrefix']}/" if basic_ingest else ""


def simulate(
    target: Target, contract: Contract, plan: FleetPlan, progress: Progress = lambda _m, _r: None
) -> Receipt:
    """Run a fleet for ``plan.duration`` seconds; writes a receipt even when interrupted.

    Raises ``ConnectionRefusedByBrokerError`` when a device is refused.
    """
    names = [f"{plan.name}-{number:04d}" for number in range(1, plan.devices + 1)]
    identities = register_devices(target, names)
    publication, started = new_publication("simulate")
    start = datetime.fromisoformat(started)
    devices = [
        SimulatedDevice(
            contract, name, plan.seed, start, plan.readings_per_message, plan.mess, plan.interval
        )
        for name in names
    ]
    before_topic = _before_the_topic(target, basic_ingest=plan.basic_ingest)
    fleet = _Fleet(plan, before_topic, contract.digest)
    try:
        with ExitStack() as stack:
            broker = target.broker()
            senders = [
                (stack.enter_context(DeviceConnection(broker, identity)), device)
                for identity, device in zip(identities, devices, strict=True)
            ]
            fleet.run(senders, progress)
    finally:
        receipt = fleet.receipt(publication, started)
        write_receipt(target.client("s3"), target.bucket, receipt, fleet.acknowledged)
    return receipt


class _Fleet:
    """One run of a fleet: the messages that were sent, and those that were acknowledged."""

    def __init__(self, plan: FleetPlan, before_topic: str, contract: str) -> None:
        self.acknowledged = Acknowledgements()
        self._contract = contract
        self._plan = plan
        self._before = before_topic
        self._sent = Truth()
        self._completed = False

    def run(
        self, senders: list[tuple[DeviceConnection, SimulatedDevice]], progress: Progress
    ) -> None:
        """Publish in turns until the time is over."""
        begin, sent, plan = time.monotonic(), self._sent, self._plan
        sources = [(c, device, device.messages_with_truth()) for c, device in senders]
        for connection, device, messages in itertools.cycle(sources):
            elapsed = time.monotonic() - begin
            if elapsed >= plan.duration:
                break
            if plan.rate and sent.messages > elapsed * plan.rate:
                time.sleep(sent.messages / plan.rate - elapsed)
            payload, truth = next(messages)
            self._publish(connection, device, payload, truth.readings)
            sent.add(truth)
            if sent.messages % 25 == 0:
                progress(sent.messages, sent.readings)
        progress(sent.messages, sent.readings)
        self._completed = True

    def _publish(
        self, connection: DeviceConnection, device: SimulatedDevice, payload: bytes, readings: int
    ) -> None:
        digest = message_digest(device.thing, payload)
        topic = self._before + device_topic(device.contract, device.thing)
        connection.publish(topic, payload, lambda: self.acknowledged.add(digest, readings))

    def receipt(self, publication: str, started: str) -> Receipt:
        """The receipt; the expected results are known only where every message was acknowledged."""
        acknowledged, sent = self.acknowledged, self._sent
        missing = max(0, sent.messages - acknowledged.messages)
        whole = self._completed and not missing
        return Receipt(
            publication,
            "simulate",
            started,
            acknowledged.messages,
            acknowledged.readings,
            rows=sent.rows if whole else None,
            duplicates=sent.duplicates if whole else None,
            rejected=sent.rejected if whole else None,
            digests=True,
            contract=self._contract,
            unacknowledged=missing,
        )


def publish_file(
    target: Target,
    contract: Contract,
    path: Path,
    *,
    readings_per_message: int = 1,
    connections: int = 4,
    basic_ingest: bool = False,
    progress: Progress = lambda _m, _r: None,
) -> Receipt:
    """Publish a file of NDJSON with one reading per line, plain or ``.gz``.

    Raises ``OSError`` for a file that can't be read, ``ConnectionRefusedByBrokerError``, and
    ``MessageTooLargeError`` at the first line that no message can hold.
    """
    names = [f"publisher-{number:02d}" for number in range(1, connections + 1)]
    identities = register_devices(target, names)
    publication, started = new_publication("publish")
    acknowledged = Acknowledgements()
    messages = readings = 0
    before = _before_the_topic(target, basic_ingest=basic_ingest)
    try:
        with ExitStack() as stack:
            broker = target.broker()
            senders = itertools.cycle(
                [
                    (stack.enter_context(DeviceConnection(broker, identity)), identity.thing)
                    for identity in identities
                ]
            )
            for payload, count in read_messages(path, contract, readings_per_message):
                connection, thing = next(senders)
                sent = as_sent(contract, payload)
                note = partial(acknowledged.add, message_digest(thing, sent), count)
                try:
                    connection.publish(before + device_topic(contract, thing), sent, note)
                except MessageTooLargeError as error:
                    raise MessageTooLargeError(f"{path}, message {messages + 1}: {error}") from None
                messages, readings = messages + 1, readings + count
                if messages % 50 == 0:
                    progress(messages, readings)
        progress(messages, readings)
    finally:
        receipt = Receipt(
            publication,
            "publish",
            started,
            acknowledged.messages,
            acknowledged.readings,
            digests=True,
            contract=contract.digest,
            unacknowledged=max(0, messages - acknowledged.messages),
        )
        write_receipt(target.client("s3"), target.bucket, receipt, acknowledged)
    return receipt


def read_messages(
    path: Path, contract: Contract, readings_per_message: int
) -> Iterator[tuple[bytes, int]]:
    """Yields payloads, each with its number of readings.

    Lines are put into the contract's array unchanged. A line that is not a JSON object, or that is
    too large to share a message, becomes a message of its own, so that it harms no other reading.
    """
    wrap = contract.readings if readings_per_message > 1 else None
    head, tail = _envelope(wrap) if wrap else (b"", b"")
    plain = contract.melt is None and not contract.only
    count = _counter(contract)

    def wrapped(lines: list[bytes]) -> tuple[bytes, int]:
        payload = head + b",".join(lines) + tail
        return payload, len(lines) if plain else count(payload)

    pending: list[bytes] = []
    size = 0
    for line in _lines(path):
        if not wrap or not _is_object(line) or len(line) > MESSAGE_BYTES // 2:
            yield line, count(line)
            continue
        if len(pending) == readings_per_message or size + len(line) > MESSAGE_BYTES:
            yield wrapped(pending)
            pending, size = [], 0
        pending.append(line)
        size += len(line) + 1
    if pending:
        yield wrapped(pending)


def _envelope(path: tuple[str, ...]) -> tuple[bytes, bytes]:
    """The bytes before and after an array at that path of an otherwise empty object."""
    head = b"".join(b"{" + json.dumps(part).encode() + b":" for part in path)
    return head + b"[", b"]" + b"}" * len(path)


def _lines(path: Path) -> Iterator[bytes]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        for line in file:
            stripped = line.strip()
            if stripped:
                yield stripped


def _parse(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_object(line: bytes) -> bool:
    return isinstance(_parse(line), dict)


def _counter(contract: Contract) -> Callable[[bytes], int]:
    """A function that counts the readings in a message; one where the contract can't parse it."""
    from functions.transform.careful import CarefulReader
    from functions.transform.extraction_plan import make_plan

    reader = CarefulReader(make_plan(contract))

    def count(payload: bytes) -> int:
        try:
            found = reader.read(payload.decode())
        except UnicodeDecodeError:
            return 1
        return 1 if isinstance(found, str) else len(found)

    return count
