"""Publishes as devices do: with registered identities, over MQTT, and with a receipt at the end.

The receipt counts what the broker has acknowledged, also where the publication was interrupted.
Used by ``etl simulate``, ``etl publish``, the notebook and the tests. Progress is reported
through a callback, so nothing here prints.
"""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType

from etl.aws.target import Target
from etl.operations.file_messages import Addressing, outgoing_messages, read_file
from etl.operations.other_contracts import OtherContracts, PendingMessage
from etl.operations.receipts import (
    Acknowledgements,
    Receipt,
    message_digest,
    new_publication,
    write_receipt,
)
from etl.operations.topic_rules import basic_ingest_prefix
from local.devices.fleet import SimulatedDevice, Truth, device_topic
from local.devices.identity import Identity, register
from local.devices.mqtt import DeviceConnection, QoS
from telemetry.contract import Contract, ContractSet

__all__ = ["FleetPlan", "publish_file", "simulate"]

OPEN_CONNECTIONS = 50
"""Most connections of a publication at one time; each has a thread."""

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
    least: int = 1
    """Messages that are published in any case, even if that takes longer than ``duration``."""

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


def _before_the_topic(target: Target, contract: Contract, *, basic_ingest: bool) -> str:
    """Prefix of a device's topic."""
    if not basic_ingest:
        return ""
    return f"{basic_ingest_prefix(target.outputs, target.contracts.key_name(contract))}/"


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
    before_topic = _before_the_topic(target, contract, basic_ingest=plan.basic_ingest)
    fleet = _Fleet(plan, before_topic, contract, target.contracts)
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
        fleet.others.write(target.client("s3"), target.bucket, receipt)
    return receipt


class _Fleet:
    """One run of a fleet: the messages that were sent, and those that were acknowledged."""

    def __init__(
        self, plan: FleetPlan, before_topic: str, contract: Contract, contracts: ContractSet
    ) -> None:
        self.acknowledged = Acknowledgements()
        self.others = _other_contracts(contracts, contract, basic_ingest=plan.basic_ingest)
        self._contract = contract
        self._key_name = contracts.key_name(contract)
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
            if elapsed >= plan.duration and sent.messages >= plan.least:
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
        digest = message_digest(device.thing, payload, self._key_name)
        topic = device_topic(device.contract, device.thing)
        copies = self.others.send(device.thing, topic, payload)
        note = partial(_note, self.acknowledged, digest, readings, copies)
        connection.publish(self._before + topic, payload, note)

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
            contract=self._contract.digest,
            unacknowledged=missing,
            of_contract=self._key_name,
        )


def publish_file(
    target: Target,
    contract: Contract,
    path: Path,
    *,
    readings_per_message: int = 1,
    connections: int = 4,
    basic_ingest: bool = False,
    topic: str | None = None,
    device: str | None = None,
    qos: QoS = 1,
    rate: float = 0,
    progress: Progress = lambda _m, _r: None,
    notify: Callable[[str], object] = lambda _: None,
) -> Receipt:
    """Publish the messages of a file, or of standard input (``Path("-")``).

    ``topic`` and ``device`` are those of :class:`Addressing`; ``rate`` is in messages per second,
    0 for no limit. With QoS 0 the broker acknowledges nothing, so the receipt counts no message.
    ``notify`` is called with sentences about what is sent otherwise than it stands in the file.

    Nothing is sent where it raises ``SampleError`` for a file that holds no messages,
    ``AddressingError``, ``MessageTooLargeError`` or ``OSError``. Raises
    ``ConnectionRefusedByBrokerError``.
    """
    addressing = Addressing(contract, connections, topic, device)
    messages = read_file(path, contract)
    publication, started = new_publication("publish")
    acknowledged, sent = Acknowledgements(), _Sent(rate)
    others = _other_contracts(target.contracts, contract, basic_ingest=basic_ingest)
    key_name = target.contracts.key_name(contract)
    before = _before_the_topic(target, contract, basic_ingest=basic_ingest)
    try:
        with _Connections(target) as connected:
            for message in outgoing_messages(messages, addressing, readings_per_message):
                sent.wait()
                digest = message_digest(message.client, message.payload, key_name)
                copies = others.send(message.client, message.topic, message.payload)
                note = partial(_note, acknowledged, digest, message.readings, copies)
                connected.client(message.client).publish(
                    before + message.topic, message.payload, note, qos=qos
                )
                sent.add(message.readings)
                if sent.messages % 50 == 0:
                    progress(sent.messages, sent.readings)
        progress(sent.messages, sent.readings)
    finally:
        receipt = Receipt(
            publication,
            "publish",
            started,
            acknowledged.messages,
            acknowledged.readings,
            digests=True,
            contract=contract.digest,
            unacknowledged=max(0, sent.messages - acknowledged.messages),
            of_contract=key_name,
        )
        write_receipt(target.client("s3"), target.bucket, receipt, acknowledged)
        others.write(target.client("s3"), target.bucket, receipt)
    for sentence in _readdressed(addressing):
        notify(sentence)
    return receipt


def _note(
    acknowledged: Acknowledgements, digest: int, readings: int, copies: PendingMessage
) -> None:
    acknowledged.add(digest, readings)
    copies()


def _other_contracts(
    contracts: ContractSet, sender: Contract, *, basic_ingest: bool
) -> OtherContracts:
    """The contracts besides the sender's, none for what is published to its rule alone."""
    return OtherContracts(ContractSet.of([sender]) if basic_ingest else contracts, sender)


def _readdressed(addressing: Addressing) -> Iterator[str]:
    if addressing.readdressed:
        topic, instead = next(iter(addressing.readdressed.items()))
        count = len(addressing.readdressed)
        yield (
            f"{count:,} {'topic' if count == 1 else 'topics'} of the file can't be a device's by "
            f"the contract's {addressing.contract.topic}, such as {topic}: its messages were "
            f"published to {instead}"
        )


class _Sent:
    """Counts the messages sent, and keeps to a rate in messages per second (0: no limit)."""

    def __init__(self, rate: float) -> None:
        self.messages = self.readings = 0
        self._rate = rate
        self._begin = time.monotonic()

    def wait(self) -> None:
        """Wait until the next message may be sent."""
        if self._rate:
            early = self.messages / self._rate - (time.monotonic() - self._begin)
            if early > 0:
                time.sleep(early)

    def add(self, readings: int) -> None:
        self.messages += 1
        self.readings += readings


class _Connections:
    """Connections by client, made when they are needed; the one not used for longest is closed."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._broker = target.broker()
        self._open: OrderedDict[str, DeviceConnection] = OrderedDict()

    def client(self, name: str) -> DeviceConnection:
        """The connection of that client, registered and connected where it isn't yet."""
        found = self._open.get(name)
        if found is None:
            if len(self._open) >= OPEN_CONNECTIONS:
                self._open.popitem(last=False)[1].__exit__(None, None, None)
            [identity] = register_devices(self._target, [name])
            found = self._open[name] = DeviceConnection(self._broker, identity).__enter__()
        self._open.move_to_end(name)
        return found

    def __enter__(self) -> _Connections:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        stack = ExitStack()
        for connection in self._open.values():
            stack.push(connection.__exit__)
        stack.__exit__(kind, error, traceback)
