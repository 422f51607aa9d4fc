"""Which messages hold readings of a device, and what is left of them."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from etl.operations.device_messages import (
    DeviceMessages,
    NoDeviceError,
    device_column,
    find_messages,
)
from functions.transform.clean import clean
from telemetry.contract.model import Source
from telemetry.forgotten import without_forgotten
from tests.fixtures.telemetry_database import CONTRACT

FLEET = replace(CONTRACT, readings=("readings",))
TIME = "2026-11-23T06:00:0{}Z"


def line(payload: Any, client: str = "gw", number: int = 0) -> bytes:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    envelope = {
        "message_id": f"m{number}", "topic": f"fleet/{client}", "client_id": client,
        "received_at": 1_795_414_200_000, "payload": base64.b64encode(body).decode(),
    }  # fmt: skip
    return json.dumps(envelope, separators=(",", ":")).encode() + b"\n"


def reading(device: str | None, second: int = 0, **members: Any) -> dict[str, Any]:
    return {"device_id": device, "ts": TIME.format(second), **members}


def payloads(raw: bytes) -> list[bytes]:
    return [base64.b64decode(json.loads(one)["payload"]) for one in raw.splitlines()]


def left(raw: bytes, found: DeviceMessages, *, whole: bool = False) -> bytes:
    return without_forgotten(found.applied(raw, whole=whole))[0]


def test_elements_are_cut_out_and_the_rest_is_byte_for_byte():
    payload = (
        b'{ "readings" : [ {"device_id": "a", "ts": "2026-11-23T06:00:00Z", "value": 1.50},'
        b'{"device_id":"x","ts":"2026-11-23T06:00:00Z"} , {"device_id":"a","ts":"no time"}],'
        b' "site": "\xc3\xa4" }'
    )
    raw = line(payload)
    found = find_messages(raw, FLEET, "x")
    assert (found.messages(), found.readings(), found.mixed) == (1, 1, 0)
    [kept] = payloads(left(raw, found))
    assert kept == payload.replace(
        b',{"device_id":"x","ts":"2026-11-23T06:00:00Z"} , {"device_id":"a","ts":"no time"}',
        b',{"device_id":"a","ts":"no time"}',
    )


def test_a_message_of_the_device_alone_leaves_a_count():
    raw = line({"readings": [reading("x", 1), reading("x", 1), reading(None)]}, "x")
    found = find_messages(raw, FLEET, "x")
    assert found.applied(raw, whole=False) == b'{"forgotten":3}\n'
    assert found.rejects == 1


def test_the_device_of_the_topic_is_found():
    topic = Source("envelope", ("topic", "1"))
    column = replace(FLEET.columns[0], sources=(topic,))
    contract = replace(FLEET, columns=(column, *FLEET.columns[1:]))
    raw = line({"readings": [{"ts": TIME.format(1)}]}, "x") + line({"readings": []}, "y", 1)
    found = find_messages(raw, contract, "x")
    assert left(raw, found) == line({"readings": []}, "y", 1)


def test_garbage_is_of_the_client_that_sent_it():
    raw = line(b"\xff\x00", "x") + line(b"not json", "y", 1)
    found = find_messages(raw, FLEET, "x")
    assert (found.readings(), found.rejects) == (1, 1)
    assert payloads(left(raw, found)) == [b"not json"]


def test_a_compressed_message_is_compressed_again():
    contract = replace(FLEET, compression="gzip")
    content = {"readings": [reading("x"), reading("a")]}
    raw = line(gzip.compress(json.dumps(content).encode()))
    [kept] = payloads(left(raw, find_messages(raw, contract, "x")))
    assert json.loads(gzip.decompress(kept)) == {"readings": [reading("a")]}


INDEXED = replace(
    FLEET,
    columns=(*FLEET.columns[:2], replace(FLEET.columns[2], sources=(Source("index", ()),)),
             FLEET.columns[3]),
)  # fmt: skip


def test_a_message_whose_others_would_change_is_mixed():
    raw = line({"readings": [reading("x"), reading("a")]})
    found = find_messages(raw, INDEXED, "x")
    assert (found.mixed, found.others) == (1, 1)
    assert found.applied(raw, whole=False) == raw
    assert found.applied(raw, whole=True) == b'{"forgotten":2}\n'


def test_two_devices_of_one_message_are_forgotten_one_after_the_other():
    raw = line({"readings": [reading("x"), reading("a"), reading("b")]})
    for device in ("x", "b", "a"):
        raw = find_messages(raw, FLEET, device).applied(raw, whole=False)
        assert not find_messages(raw, FLEET, device)
    assert raw == b'{"forgotten":3}\n'
    assert clean(raw, FLEET).read == 0


def test_a_key_of_a_time_alone_names_no_device():
    with pytest.raises(NoDeviceError, match="a time alone"):
        device_column(replace(FLEET, key=("ts",)))
