from __future__ import annotations

import gzip
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.authoring.samples import STDIN, SampleError
from etl.operations.file_messages import (
    MESSAGE_BYTES,
    Addressing,
    AddressingError,
    OutgoingMessage,
    outgoing_messages,
    read_file,
)
from local.devices.mqtt import MessageTooLargeError
from telemetry.contract import Contract, load_contract, parse_contract

FLEET = load_contract(Path("contracts/fleet.toml"))
LINES = [json.dumps({"device_id": "a", "ts": n}).encode() for n in range(7)]


def write(folder: Path, lines: list[bytes], name: str = "readings.ndjson") -> Path:
    path = folder / name
    path.write_bytes(b"\n".join(lines))
    return path


def outgoing(
    path: Path, contract: Contract, share: int = 1, **addressing: Any
) -> list[OutgoingMessage]:
    messages = read_file(path, contract)
    return list(outgoing_messages(messages, Addressing(contract, **addressing), share))


def payloads(path: Path, contract: Contract, share: int) -> list[tuple[bytes, int]]:
    return [(m.payload, m.readings) for m in outgoing(path, contract, share)]


def test_one_reading_a_message_sends_each_line_untouched(tmp_path: Path) -> None:
    found = payloads(write(tmp_path, LINES), FLEET, 1)
    assert found == [(line, 1) for line in LINES]


def test_several_readings_share_a_message_verbatim(tmp_path: Path) -> None:
    found = payloads(write(tmp_path, LINES), FLEET, 3)
    assert [count for _, count in found] == [3, 3, 1]
    assert found[0][0] == b'{"readings":[' + b",".join(LINES[:3]) + b"]}"


def test_a_gzipped_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "readings.ndjson.gz"
    path.write_bytes(gzip.compress(b"\n".join(LINES)))
    assert payloads(path, FLEET, 1) == [(line, 1) for line in LINES]


def test_a_broken_line_travels_alone_and_spoils_no_other(tmp_path: Path) -> None:
    lines = [LINES[0], b'{"device_id": "a', LINES[1]]
    found = payloads(write(tmp_path, lines), FLEET, 10)
    assert (b'{"device_id": "a', 1) in found
    assert (b'{"readings":[' + LINES[0] + b"," + LINES[1] + b"]}", 2) in found


def test_a_line_that_holds_an_array_counts_its_readings(tmp_path: Path) -> None:
    line = b'{"readings":[{"ts":1},{"ts":2}]}'
    assert payloads(write(tmp_path, [line]), FLEET, 1) == [(line, 2)]


@given(sizes=st.lists(st.integers(1, 60_000), min_size=1, max_size=12), share=st.integers(2, 50))
def test_no_message_is_larger_than_iot_takes(sizes: list[int], share: int) -> None:
    import tempfile

    lines = [json.dumps({"pad": "x" * size}).encode() for size in sizes]
    with tempfile.TemporaryDirectory() as folder:
        found = payloads(write(Path(folder), lines), FLEET, share)
    assert sum(count for _, count in found) == len(lines)
    assert all(len(payload) <= MESSAGE_BYTES + 4096 for payload, _ in found)


def test_readings_are_counted_as_the_contract_takes_messages_apart(tmp_path: Path) -> None:
    contract = parse_contract(
        b"""
        name = "narrow"
        topic = "lab/+"
        table = { name = "narrow", key = ["id", "metric"] }
        message = { melt = ["t", "h"], only = { kind = "up" } }
        [columns]
        id = { type = "integer", required = true }
        metric = { type = "text", from = "$metric", required = true, max_length = 9 }
        """,
        "narrow.toml",
    )
    file = tmp_path / "sent.ndjson"
    file.write_text(
        '{"kind":"up","id":1,"t":1,"h":2}\n{"kind":"log","t":1,"h":2}\n{"kind":"up"}\n{\n'
    )
    assert [count for _, count in payloads(file, contract, 1)] == [2, 1, 1, 1]


def recorded(topic: str, **payload: object) -> bytes:
    return json.dumps({"topic": topic, "qos": 0, "payload": payload}).encode()


def test_each_element_of_an_array_and_each_row_of_a_table_is_a_message(tmp_path: Path) -> None:
    array = tmp_path / "readings.json"
    array.write_text('[{"device_id": "a", "t": 1.50},\n {"device_id": "b", "t": 2}]')
    assert payloads(array, FLEET, 1) == [
        (b'{"device_id": "a", "t": 1.50}', 1), (b'{"device_id": "b", "t": 2}', 1),
    ]  # fmt: skip
    table = tmp_path / "readings.csv"
    table.write_text("device_id;t\na;1,50\nb;2\n")
    assert payloads(table, FLEET, 1) == [
        (b'{"device_id": "a", "t": "1,50"}', 1), (b'{"device_id": "b", "t": "2"}', 1),
    ]  # fmt: skip


def test_lines_of_one_device_keep_to_one_client(tmp_path: Path) -> None:
    lines = [json.dumps({"device_id": f"d{n % 7}", "ts": n}).encode() for n in range(70)]
    for share in (1, 4):
        clients: dict[str, set[str]] = {}
        for message in outgoing(write(tmp_path, lines), FLEET, share):
            found = json.loads(message.payload)
            for reading in found.get("readings", [found]):
                clients.setdefault(reading["device_id"], set()).add(message.client)
        assert len(clients) == 7
        assert all(len(found) == 1 for found in clients.values())
        assert {name for found in clients.values() for name in found} == {
            f"publisher-0{n}" for n in range(1, 5)
        }


def test_a_file_without_a_device_has_one_client(tmp_path: Path) -> None:
    contract = parse_contract(
        b"""
        name = "lab"
        topic = "lab/+"
        table = { name = "lab", key = ["device", "ts"] }
        [columns]
        device = { type = "text", from = "$topic[-1]", required = true, max_length = 99 }
        ts = { type = "timestamp", required = true }
        """,
        "lab.toml",
    )
    assert {m.client for m in outgoing(write(tmp_path, LINES), contract)} == {"publisher-01"}
    named = outgoing(write(tmp_path, LINES), contract, device="bench-1")
    assert {(m.client, m.topic) for m in named} == {("bench-1", "lab/bench-1")}


def test_messages_of_a_recording_keep_their_topics(tmp_path: Path) -> None:
    lines = [recorded(f"telemetry/fleet/box-{n % 2}", ts=n) for n in range(4)]
    found = outgoing(write(tmp_path, lines), FLEET)
    assert [(m.client, m.topic) for m in found[:2]] == [
        ("box-0", "telemetry/fleet/box-0"), ("box-1", "telemetry/fleet/box-1"),
    ]  # fmt: skip
    assert [json.loads(m.payload) for m in found] == [{"ts": n} for n in range(4)]
    shared = outgoing(write(tmp_path, lines), FLEET, 2)
    assert [(m.client, m.readings) for m in shared] == [("box-0", 2), ("box-1", 2)]


def test_each_topic_that_is_no_devices_has_a_device_of_its_own(tmp_path: Path) -> None:
    topics = ["a/b/state", "a/b-state", "telemetry/fleet/kitchen lamp", "telemetry/fleet/é"]
    found = outgoing(write(tmp_path, [recorded(topic, n=1) for topic in topics]), FLEET)
    assert len({m.client for m in found}) == len(topics)
    assert all(m.topic == f"telemetry/fleet/{m.client}" for m in found)


SHARED = """
name = "lab"
topic = "{topic}"
table = {{ name = "lab", key = ["device", "ts"] }}
[columns]
device = {{ type = "text", from = "$client_id", required = true, max_length = 99 }}
ts = {{ type = "timestamp", from = "$received_at", required = true }}
"""


def test_the_other_levels_of_a_recorded_topic_are_kept(tmp_path: Path) -> None:
    contract = parse_contract(SHARED.format(topic="v3/{app}/{device}/up").encode(), "lab.toml")
    topics = ["v3/farm/box-1/up", "v3/park/box-1/up", "v3/farm/box-2/up"]
    path = write(tmp_path, [recorded(topic, ts=1) for topic in topics])
    found = outgoing(path, contract)
    assert [(m.client, m.topic) for m in found] == [
        ("box-1", topics[0]), ("box-1", topics[1]), ("box-2", topics[2]),
    ]  # fmt: skip
    (message,) = outgoing(write(tmp_path, [recorded("v3/farm/up", ts=1)]), contract)
    assert message.topic == f"v3/app/{message.client}/up"
    with pytest.raises(AddressingError, match=r"with its own name for \{device\}"):
        Addressing(contract, topic="v3/+/box-9/up")
    one = outgoing(path, contract, topic="v3/park/box-9/up")
    assert {(m.client, m.topic) for m in one} == {("box-9", "v3/park/box-9/up")}


def test_where_no_level_is_the_devices_any_client_publishes_to_any_topic(tmp_path: Path) -> None:
    contract = parse_contract(SHARED.format(topic="plant/{line}/#").encode(), "lab.toml")
    path = write(tmp_path, [recorded("plant/1/state/now", ts=1), recorded("other/1", ts=1)])
    found = outgoing(path, contract, device="bridge", topic="plant/2/state")
    assert {(m.client, m.topic) for m in found} == {("bridge", "plant/2/state")}
    kept, readdressed = outgoing(path, contract)
    assert (kept.client, kept.topic) == ("publisher-01", "plant/1/state/now")
    assert (readdressed.client, readdressed.topic) == ("publisher-01", "plant/line/any")
    with pytest.raises(AddressingError, match="no device can publish to 'plant/2'"):
        Addressing(contract, topic="plant/2")


def test_a_topic_may_be_given_for_all_messages(tmp_path: Path) -> None:
    path = write(tmp_path, [recorded(f"other/box-{n}", ts=n) for n in range(3)])
    [*found] = outgoing(path, FLEET, topic="telemetry/fleet/box-9")
    assert {(m.client, m.topic) for m in found} == {("box-9", "telemetry/fleet/box-9")}
    ignored = outgoing(path, FLEET, topic="telemetry/fleet/+")
    assert {m.client for m in ignored} == {"publisher-01"}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"topic": "other/box-1"}, "no device can publish to 'other/box-1'"),
        ({"topic": "telemetry/fleet/a/b"}, "no device can publish to 'telemetry/fleet/a/b'"),
        ({"topic": "telemetry/fleet/a", "device": "b"}, "no device can publish to"),
        ({"device": "kitchen lamp"}, "'kitchen lamp' can't be a device's name"),
        ({"device": "+"}, "can't be a device's name"),
    ],
)
def test_what_no_device_may_do_is_refused(asked: dict[str, str], sentence: str) -> None:
    with pytest.raises(AddressingError, match=sentence):
        Addressing(FLEET, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the file is empty"),
        (b"[]", "no message found"),
        ('{"t": 1}'.encode("utf-16"), "UTF-16"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x01", "binary"),
        (gzip.compress(b'{"t": 1}\n' * 1000)[:-12], "damaged gzip"),
    ],
    # Names of their own: gzip puts the time into its bytes, and two workers differ by it.
    ids=["empty", "no messages", "UTF-16", "binary", "half of a gzip"],
)
def test_a_file_of_no_messages_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(SampleError, match=sentence):
        read_file(path, FLEET)


def test_standard_input_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"\n".join(LINES))))
    assert payloads(STDIN, FLEET, 1) == [(line, 1) for line in LINES]


def test_a_message_too_large_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    path = write(tmp_path, [LINES[0], b'{"note": "%s"}' % (b"x" * 140_000)])
    with pytest.raises(MessageTooLargeError, match=r"readings.ndjson, message 2: .* 131,072"):
        read_file(path, FLEET)


def test_a_payload_that_is_compressed_already_is_sent_as_it_is(tmp_path: Path) -> None:
    contract = replace(FLEET, compression="gzip")
    packed = gzip.compress(LINES[0], mtime=0)
    buffer = {"topic": "telemetry/fleet/a", "_msgid": "1"}
    buffer["payload"] = {"type": "Buffer", "data": list(packed)}  # type: ignore[assignment]
    lines = [json.dumps(buffer).encode(), LINES[0]]
    assert payloads(write(tmp_path, lines), contract, 1) == [(packed, 1), (packed, 1)]
