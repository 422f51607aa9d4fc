"""A receipt counts the messages that the broker has acknowledged, whatever ended the publication."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from etl.authoring.samples import SampleError
from etl.operations import publishing, receipts
from etl.operations.publishing import FleetPlan, publish_file, simulate
from etl.operations.receipts import (
    Acknowledgements,
    Receipt,
    message_digest,
    read_messages_of,
    read_receipts,
    write_receipt,
)
from local.devices import mqtt
from local.devices.identity import Identity
from local.devices.mqtt import DeviceConnection
from telemetry.contract import ContractSet, load_contract
from telemetry.layout import receipt_key
from tests.fixtures.aws_fakes import FakeS3

FLEET = load_contract(Path("contracts/fleet.toml"))


class Connection:
    """A connection whose broker acknowledges only the first messages, then the user presses ^C."""

    acknowledges = 10**9
    interrupts_at = 10**9
    sent = 0
    published: ClassVar[list[tuple[str, str, bytes, int]]] = []

    def __init__(self, _broker: Any, identity: Any) -> None:
        self.identity = identity

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def publish(self, topic: str, payload: bytes, acknowledged: Any, *, qos: int = 1) -> None:
        type(self).published.append((self.identity.thing, topic, payload, qos))
        type(self).sent += 1
        if qos and type(self).sent <= type(self).acknowledges:
            acknowledged()
        if type(self).sent >= type(self).interrupts_at:
            raise KeyboardInterrupt


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Any:
    class Fresh(Connection):
        published: ClassVar[list[tuple[str, str, bytes, int]]] = []

    monkeypatch.setattr(publishing, "DeviceConnection", Fresh)
    monkeypatch.setattr(
        publishing, "register_devices", lambda _t, names: [SimpleNamespace(thing=n) for n in names]
    )
    s3 = FakeS3()
    return SimpleNamespace(
        bucket="data", broker=lambda: None, client=lambda _: s3, s3=s3, connection=Fresh,
        outputs={}, contracts=ContractSet.of([FLEET]),
    )  # fmt: skip


def only_receipt(target: Any) -> Receipt:
    [(receipt, _)] = read_receipts(target.s3, "data")
    return receipt


def lines(tmp_path: Path, count: int) -> Path:
    file = tmp_path / "readings.ndjson"
    file.write_text("\n".join(json.dumps({"device_id": "a", "ts": n}) for n in range(count)))
    return file


def test_an_interrupted_file_counts_what_was_acknowledged(target: Any, tmp_path: Path) -> None:
    target.connection.acknowledges, target.connection.interrupts_at = 4, 7
    with pytest.raises(KeyboardInterrupt):
        publish_file(target, FLEET, lines(tmp_path, 20))
    receipt = only_receipt(target)
    assert (receipt.messages, receipt.readings, receipt.unacknowledged) == (4, 4, 2)
    digests = list(read_messages_of(target.s3, "data", receipt.publication))
    wanted = [
        (message_digest("publisher-01", b'{"device_id": "a", "ts": %d}' % n), 1) for n in range(4)
    ]
    assert digests == wanted
    assert receipt.contract == FLEET.digest


def test_a_file_damaged_at_its_end_sends_nothing(target: Any, tmp_path: Path) -> None:
    file = tmp_path / "readings.ndjson.gz"
    noise = "".join(hashlib.sha256(b"%d" % n).hexdigest() for n in range(9000))
    file.write_bytes(gzip.compress(b'{"device_id": "a"}\n{"note": "%s"}' % noise.encode())[:-9])
    with pytest.raises(SampleError, match=r"readings.ndjson.gz: truncated or damaged gzip file"):
        publish_file(target, FLEET, file)
    assert target.connection.published == []
    assert read_receipts(target.s3, "data") == []


def test_without_acknowledgements_the_receipt_counts_nothing(target: Any, tmp_path: Path) -> None:
    receipt = publish_file(target, FLEET, lines(tmp_path, 3), qos=0)
    assert [qos for *_, qos in target.connection.published] == [0, 0, 0]
    assert (receipt.messages, receipt.readings, receipt.unacknowledged) == (0, 0, 3)
    assert list(read_messages_of(target.s3, "data", receipt.publication)) == []


def test_topics_that_are_no_devices_are_reported(target: Any, tmp_path: Path) -> None:
    file = tmp_path / "recorded.ndjson"
    line = {"topic": "tele/plug-1/SENSOR", "qos": 0, "payload": {"device_id": "a"}}
    file.write_text(json.dumps(line))
    sentences: list[str] = []
    publish_file(target, FLEET, file, notify=sentences.append)
    [(client, topic, payload, _)] = target.connection.published
    assert topic == f"telemetry/fleet/{client}"
    assert client.startswith("tele-plug-1-SENSOR-")
    assert json.loads(payload) == {"device_id": "a"}
    assert sentences == [
        "1 topic of the file can't be a device's by the contract's telemetry/fleet/+, such as "
        f"tele/plug-1/SENSOR: its messages were published to {topic}"
    ]


def test_a_rate_is_kept(target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(waits), sleep=waits.append)
    monkeypatch.setattr(publishing, "time", clock)
    publish_file(target, FLEET, lines(tmp_path, 5), rate=2)
    assert waits == [0.5] * 4


def test_connections_beyond_the_limit_are_closed(
    target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_open: list[str] = []
    most = 0

    def enter(self: Connection) -> Connection:
        nonlocal most
        now_open.append(self.identity.thing)
        most = max(most, len(now_open))
        return self

    monkeypatch.setattr(target.connection, "__enter__", enter)
    monkeypatch.setattr(
        target.connection, "__exit__", lambda self, *_: now_open.remove(self.identity.thing)
    )
    monkeypatch.setattr(publishing, "OPEN_CONNECTIONS", 3)
    file = tmp_path / "recorded.ndjson"
    recorded = [
        {"topic": f"telemetry/fleet/box-{n % 5}", "qos": 0, "payload": {"n": n}} for n in range(20)
    ]
    file.write_text("\n".join(map(json.dumps, recorded)))
    receipt = publish_file(target, FLEET, file)
    assert receipt.messages == 20
    assert (most, now_open) == (3, [])
    assert {thing for thing, *_ in target.connection.published} == {f"box-{n}" for n in range(5)}


def test_an_interrupted_fleet_expects_no_results(target: Any) -> None:
    target.connection.acknowledges, target.connection.interrupts_at = 30, 40
    with pytest.raises(KeyboardInterrupt):
        simulate(target, FLEET, FleetPlan(devices=2, rate=0, duration=3600, readings_per_message=5))
    receipt = only_receipt(target)
    assert receipt.messages == 30
    assert (receipt.rows, receipt.duplicates, receipt.rejected) == (None, None, None)
    assert receipt.unacknowledged == 9
    found = list(read_messages_of(target.s3, "data", receipt.publication))
    assert sum(readings for _, readings in found) == receipt.readings > 30


def test_a_whole_fleet_expects_its_results(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr(publishing, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    receipt = simulate(target, FLEET, FleetPlan(devices=2, rate=0, duration=50, mess=0.2))
    assert receipt == only_receipt(target)
    assert receipt.rows is not None
    assert receipt.duplicates is not None
    assert receipt.rejected is not None
    assert receipt.messages == 49
    assert receipt.readings == receipt.rows + receipt.duplicates + receipt.rejected


def test_receipts_of_older_and_newer_versions_are_read() -> None:
    s3 = FakeS3()
    old = {"publication": "p", "kind": "publish", "started": "", "messages": 3, "readings": 4}
    s3.objects[receipt_key("p")] = json.dumps(old).encode()
    s3.objects[receipt_key("q")] = json.dumps(old | {"publication": "q", "colour": 1}).encode()
    found = [receipt for receipt, _ in read_receipts(s3, "data")]  # type: ignore[arg-type]
    assert [(r.publication, r.digests) for r in found] == [("p", False), ("q", False)]


def test_many_messages_do_not_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "MEMORY_BYTES", 100)
    sent, s3 = Acknowledgements(), FakeS3()
    wanted = [(n * (-1) ** n, n % 7) for n in range(5000)]
    for digest, readings in wanted:
        sent.add(digest, readings)
    receipt = Receipt("p", "publish", "", sent.messages, sent.readings, digests=True)
    write_receipt(s3, "data", receipt, sent)  # type: ignore[arg-type]
    assert list(read_messages_of(s3, "data", "p")) == wanted  # type: ignore[arg-type]
    assert sent.readings == sum(readings for _, readings in wanted)
    assert struct.calcsize("<qI") == len(s3.objects["receipts/p.messages"]) // 5000


def connection() -> DeviceConnection:
    made = DeviceConnection.__new__(DeviceConnection)
    made.identity = Identity.__new__(Identity)
    made._room = threading.BoundedSemaphore(mqtt.IN_FLIGHT)
    made._acknowledged = made._published = 0
    made._lost_at = None
    made._callbacks, made._early, made._callbacks_lock = {}, set(), threading.Lock()
    return made


@pytest.mark.parametrize("early", [False, True])
def test_an_acknowledgement_is_passed_on_once_however_early_it_comes(early: bool) -> None:
    device, heard = connection(), []

    class Client:
        def publish(self, _topic: str, _payload: bytes, qos: int) -> Any:
            if early:  # the network's thread is faster than this call returns
                device._on_publish(None, None, 5, None, None)
            return SimpleNamespace(mid=5)

    device._client = Client()
    for _ in range(2):  # ids come again after 65,535 messages
        device.publish("t", b"x", lambda: heard.append("acknowledged"))
        if not early:
            assert heard.count("acknowledged") == device._acknowledged
            device._on_publish(None, None, 5, None, None)
    assert heard == ["acknowledged"] * 2
    assert (device._acknowledged, device._published) == (2, 2)


def test_nothing_is_passed_on_for_a_message_that_was_never_acknowledged() -> None:
    device, heard = connection(), []
    device._client = SimpleNamespace(publish=lambda *_, qos: SimpleNamespace(mid=1))
    device.publish("t", b"x", lambda: heard.append("acknowledged"))
    assert heard == []


def test_a_message_that_left_with_qos_0_is_not_taken_for_acknowledged() -> None:
    device, heard = connection(), []
    sent: list[int] = []

    class Client:
        def publish(self, _topic: str, _payload: bytes, qos: int) -> Any:
            sent.append(qos)
            return SimpleNamespace(mid=qos + 1)

    device._client = Client()
    for qos in (0, 1):
        device.publish("t", b"x", lambda: heard.append("PUBACK"), qos=qos)  # type: ignore[arg-type]
        device._on_publish(None, None, qos + 1, None, None)
        assert heard == ["PUBACK"] * qos
    assert sent == [0, 1]
    device.drain()


def test_each_contract_that_gets_a_message_has_a_receipt(target: Any, tmp_path: Path) -> None:
    every = replace(FLEET, name="every", topic="telemetry/#", table="every", digest="other")
    apart = replace(FLEET, name="apart", topic="apart/+", table="apart")
    target.contracts = ContractSet.of([FLEET, every, apart])
    target.connection.acknowledges = 2
    publish_file(target, FLEET, lines(tmp_path, 3))
    found = {r.of_contract: r for r, _ in read_receipts(target.s3, "data")}
    assert {name: (r.messages, r.unacknowledged, r.contract) for name, r in found.items()} == {
        None: (2, 1, FLEET.digest), "every": (2, 1, "other"),
    }  # fmt: skip
    payload = b'{"device_id": "a", "ts": 0}'
    [first, _] = read_messages_of(target.s3, "data", found["every"].publication)
    assert first == (message_digest("publisher-01", payload, "every"), 1)
    stored = json.loads(target.s3.objects[receipt_key(str(found[None].publication))])
    assert "of_contract" not in stored


def test_a_message_to_one_rule_alone_is_of_one_contract(target: Any, tmp_path: Path) -> None:
    every = replace(FLEET, name="every", topic="telemetry/#", table="every")
    target.contracts = ContractSet.of([FLEET, every])
    target.outputs = {"BasicIngestPrefix": "$aws/rules/x"}
    publish_file(target, FLEET, lines(tmp_path, 3), basic_ingest=True)
    assert only_receipt(target).messages == 3
