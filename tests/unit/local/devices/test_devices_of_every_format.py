"""Simulated devices send the contract's format, and Transform finds what they meant."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice
from typing import get_args

import pytest

from functions.transform.clean import clean
from local.devices.encoding import as_sent
from local.devices.fleet import SimulatedDevice
from telemetry.contract import parse_contract
from telemetry.contract.files import with_files
from telemetry.contract.formats import LISTS
from telemetry.contract.model import Format
from tests.unit.functions.transform.envelopes_for import line
from tests.unit.functions.transform.formats.descriptors import descriptor_set

COLUMNS = """
[columns.device]
type = "text"
from = "{tags}device"
required = true
max_length = 64
[columns.ts]
type = "timestamp"
from = "{time}"
formats = ["epoch_ms"]
required = true
[columns.t]
type = "float"
from = "{fields}t"
range = [-40, 85]
[columns.ok]
type = "boolean"
from = "{fields}ok"
"""
PLAIN = COLUMNS.format(tags="", time="ts", fields="")
INFLUX = COLUMNS.format(tags="tags.", time="timestamp", fields="fields.")
VALUE = """
[columns.device]
type = "text"
from = "$topic[-1]"
required = true
max_length = 64
[columns.ts]
type = "timestamp"
from = "$received_at"
required = true
[columns.t]
type = "float"
from = "value"
range = [-40, 85]
"""


SPARKPLUG = VALUE.replace('"$received_at"', '"timestamp"\nformats = ["epoch_ms"]')
PROTO = descriptor_set("""
package lab;
message Reading {
  string device = 1;
  optional uint64 ts = 2;
  optional double t = 3;
  optional bool ok = 4;
}
""")
DECODER = b"""
import json

def decode(payload, envelope):
    return json.loads(payload[::-1])

def encode(readings):
    return json.dumps(readings).encode()[::-1]
"""


@pytest.mark.parametrize("compression", ["", 'compression = "gzip"\n'])
@pytest.mark.parametrize("name", [*get_args(Format), "csv without a header"])
def test_every_reading_has_the_outcome_that_the_device_counted(name: str, compression: str) -> None:
    columns = {"influx": INFLUX, "value": VALUE, "sparkplug": SPARKPLUG}.get(name, PLAIN)
    more = {
        "decoder": 'decoder = "decoder.py:decode"\n',
        "csv without a header": 'fields = ["ts", "device", "ok", "t"]\n',
        "protobuf": 'descriptor = "it.binpb"\ntype = "lab.Reading"\n',
    }.get(name, "")
    contract = parse_contract(
        f'name = "x"\ntopic = "lab/+"\n[message]\nformat = "{name.split(maxsplit=1)[0]}"\n{more}{compression}'
        f'[table]\nname = "x"\nkey = ["device", "ts"]\n{columns}'.encode(),
        "x.toml",
    )
    contract = with_files(contract, lambda _: DECODER if name == "decoder" else PROTO)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    device = SimulatedDevice(contract, "box-7", 1, start, readings_per_message=5, mess=0.2)
    payloads = list(islice(device.messages(), 60))
    batch = clean(
        b"\n".join(line(p, n, topic="lab/box-7") for n, p in enumerate(payloads)), contract
    )
    truth = device.truth
    sent_again = 0 if name != "value" else truth.duplicates  # which the arrival tells apart
    assert batch.rows.height == truth.rows + sent_again
    assert batch.rejected == truth.rejected
    assert batch.read == truth.readings
    if contract.format in LISTS:
        assert truth.readings > 2 * truth.messages


@pytest.mark.parametrize("payload", [b"id,t\n1,2\n", b"\xff", b"21.4", b"[1]"])
def test_a_payload_in_the_format_already_is_sent_as_it_is(payload: bytes) -> None:
    contract = parse_contract(
        f'name = "x"\ntopic = "lab/+"\n[message]\nformat = "csv"\n'
        f'[table]\nname = "x"\nkey = ["device"]\n{PLAIN}'.encode(),
        "x.toml",
    )
    assert as_sent(contract, payload) == payload


def test_devices_pack_the_member_that_a_contract_unpacks() -> None:
    contract = parse_contract(
        f"""name = "x"
        topic = "lab/+"
        [message]
        readings = "data"
        unpack = {{ member = "data", encoding = ["base64", "gzip"], format = "ndjson" }}
        [table]
        name = "x"
        key = ["device", "ts"]
        {PLAIN}""".encode(),
        "x.toml",
    )
    device = SimulatedDevice(
        contract, "box-7", 1, datetime(2026, 3, 1, tzinfo=UTC), readings_per_message=3, mess=0.0
    )
    payloads = list(islice(device.messages(), 5))
    assert all(type(json.loads(payload)["data"]) is str for payload in payloads)
    raw = b"\n".join(line(p, n, topic="lab/box-7") for n, p in enumerate(payloads))
    batch = clean(raw, contract)
    assert (batch.rejects, batch.rows.height) == ([], device.truth.rows)
    packed = b'{"data":"H4sI"}'
    assert as_sent(contract, packed) == packed
