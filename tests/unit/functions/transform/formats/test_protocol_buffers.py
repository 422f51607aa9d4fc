"""Protocol Buffers and Sparkplug B: the JSON that stands for a message, and what hostile bytes cost."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.transform.formats import protobuf, sparkplug
from functions.transform.formats.document import FormatError
from functions.transform.formats.protobuf import message_class
from functions.transform.formats.sparkplug import payload_class
from telemetry.contract import Contract
from telemetry.contract.files import with_files
from telemetry.errors import ContractError
from tests.unit.functions.transform.formats.descriptors import descriptor_set
from tests.unit.functions.transform.formats.payloads import contract_in, read_both_ways, reasons

PROTO = """
package lab;
message Reading {
  int64 id = 1;
  optional double t = 2;
  string s = 3;
  float f = 4;
  uint64 big = 5;
  State state = 6;
  repeated State states = 7;
  map<string, sint32> counts = 8;
  map<int32, Inner> inners = 9;
  bytes raw = 10;
  bool ok = 11;
  Inner inner = 12;
  google.protobuf.Timestamp at = 13;
  oneof value {
    string word = 14;
    int32 number = 15;
  }
}
message Inner {
  repeated int32 n = 1;
  Inner inner = 2;
}
enum State {
  UNKNOWN = 0;
  OPEN = 1;
}
"""
SET = descriptor_set(PROTO)
MESSAGE = 'format = "protobuf"\ndescriptor = "lab.binpb"\ntype = "lab.Reading"'


def contract_with(content: bytes, message: str = MESSAGE) -> Contract:
    return with_files(contract_in(message), lambda name: content)


CONTRACT = contract_with(SET)
Reading = message_class(CONTRACT)
Inner = type(Reading().inner)
SPARKPLUG = contract_in(
    'format = "sparkplug"', '[columns.id]\ntype = "bigint"\nfrom = "alias"\nrequired = true\n'
)  # fmt: skip


def read(**members: Any) -> dict[str, Any]:
    """The JSON of a message, without the members that it has anyhow."""
    found = json.loads(protobuf.decode(Reading(**members).SerializeToString(), Reading).text)
    return {name: found[name] for name in members}


def test_a_value_that_is_not_sent_is_zero_unless_its_absence_shows() -> None:
    assert json.loads(protobuf.decode(b"", Reading).text) == {
        "id": 0, "s": "", "f": 0, "big": 0, "state": "UNKNOWN", "states": [], "counts": {},
        "inners": {}, "raw": "", "ok": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"id": -(2**63), "big": 2**64 - 1}, {"id": -(2**63), "big": 2**64 - 1}),
        ({"state": 1, "states": [0, 1, 9]}, {"state": "OPEN", "states": ["UNKNOWN", "OPEN", 9]}),
        ({"counts": {"b": -1, "a": 0}}, {"counts": {"a": 0, "b": -1}}),
        ({"inners": {-3: Inner(n=[1])}}, {"inners": {"-3": {"n": [1]}}}),
        ({"raw": b"\xff\xfe\x00"}, {"raw": "__4A"}),
        ({"t": float("nan"), "f": float("-inf")}, {"t": "NaN", "f": "-Infinity"}),
        ({"t": 0.0}, {"t": 0.0}),
        ({"f": 21.4}, {"f": 21.399999618530273}),
        ({"inner": {"inner": {"n": [1, 2]}}}, {"inner": {"n": [], "inner": {"n": [1, 2]}}}),
        ({"at": {"seconds": 1772366400, "nanos": 5000}}, {"at": "2026-03-01T12:00:00.000005Z"}),
        ({"word": ""}, {"word": ""}),
        ({"number": 0}, {"number": 0}),
    ],
)
def test_a_field_stands_for_json(members: dict[str, Any], wanted: Any) -> None:
    assert read(**members) == wanted


def test_one_of_several_members_is_there() -> None:
    found = json.loads(protobuf.decode(Reading(number=5).SerializeToString(), Reading).text)
    assert found["number"] == 5
    assert "word" not in found


def test_what_the_descriptor_lacks_is_ignored() -> None:
    batch = read_both_ways(CONTRACT, Reading(id=1, t=2.5).SerializeToString() + b"\xf8\x06\x01")
    assert batch.rows.rows() == [(1, 2.5, None)]


HOSTILE = {
    "no field of the type": b"\xf8\x06\x01", "torn": b"\x08", "torn text": b"\x1a\x7fab",
    "wire type 7": b"\x0f", "field 0": b"\x00\x00", "group that ends": b"\x0c",
    "varint of 11 bytes": b"\x08" + b"\xff" * 10 + b"\x01", "not UTF-8": b"\x1a\x02\xc3\x28",
    "deep": b"", "text": b"21.4", "json": b'{"id": 1}',
}  # fmt: skip
nested = b""
for _ in range(200):
    size = len(nested)
    head = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    nested = b"\x12" + head + nested
HOSTILE["deep"] = b"\x62" + bytes([len(nested) & 127 | 128, len(nested) >> 7]) + nested


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_cost_their_message_alone(payload: bytes) -> None:
    good = [Reading(id=n).SerializeToString() for n in (1, 2)]
    batch = read_both_ways(CONTRACT, good[0], payload, good[1])
    assert reasons(batch) == [(1, None, "format:protobuf")]
    assert batch.rows["id"].to_list() == [1, 2]


def test_a_time_beyond_the_calendar_costs_its_message() -> None:
    payload = Reading(id=1, at={"seconds": 2**60}).SerializeToString()
    assert reasons(read_both_ways(CONTRACT, payload)) == [(0, None, "format:protobuf")]


@pytest.mark.parametrize("decode", [lambda p: protobuf.decode(p, Reading), sparkplug.decode])
@given(payload=st.binary(max_size=60))
def test_any_bytes_are_json_or_one_error(decode: Any, payload: bytes) -> None:
    try:
        text = decode(payload).text
    except FormatError:
        return
    json.loads(text)
    text.encode()


@pytest.mark.parametrize("contract", [CONTRACT, SPARKPLUG])
def test_random_bytes_cost_their_own_messages_alone(contract: Contract) -> None:
    rng = random.Random(7)
    good = Reading(id=5, s="a", counts={"b": 1}).SerializeToString()
    if contract is SPARKPLUG:
        message = payload_class()()
        message.metrics.add(alias=5, datatype=10, double_value=1.5)
        good = message.SerializeToString()
    noise = [rng.randbytes(rng.randrange(40)) for _ in range(200)]
    torn = [good[:cut] for cut in range(len(good))]
    torn += [bytes(b ^ (rng.random() < 0.1) * rng.randrange(256) for b in good) for _ in range(100)]
    batch = read_both_ways(contract, *noise, good, *torn)
    assert 5 in batch.rows["id"].to_list()
    assert not [why for *_, why in reasons(batch) if why.startswith("unreadable")]


def metrics(*found: dict[str, Any]) -> list[dict[str, Any]]:
    message = payload_class()()
    for members in found:
        message.metrics.add(**members)
    return json.loads(sparkplug.decode(message.SerializeToString()).text)["metrics"]


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"datatype": 1, "int_value": 0xFFFFFFFB}, ("Int8", -5)),
        ({"datatype": 1, "int_value": 0xFB}, ("Int8", -5)),
        ({"datatype": 2, "int_value": 0x8000}, ("Int16", -32768)),
        ({"datatype": 3, "int_value": 2**31 - 1}, ("Int32", 2**31 - 1)),
        ({"datatype": 4, "long_value": 2**64 - 1}, ("Int64", -1)),
        ({"datatype": 8, "long_value": 2**64 - 1}, ("UInt64", 2**64 - 1)),
        ({"datatype": 10, "double_value": float("nan")}, ("Double", "NaN")),
        ({"datatype": 11, "boolean_value": False}, ("Boolean", False)),
        ({"datatype": 13, "long_value": 1772366400000}, ("DateTime", 1772366400000)),
        ({"datatype": 17, "bytes_value": b"\x00\xff"}, ("Bytes", "AP8")),
        ({"datatype": 23, "bytes_value": struct.pack("<3h", 1, -1, 2)}, ("Int16Array", [1, -1, 2])),
        ({"datatype": 30, "bytes_value": struct.pack("<f", 0.5)}, ("FloatArray", [0.5])),
        ({"datatype": 10, "is_null": True}, ("Double", None)),
        ({"datatype": 99, "int_value": 1}, (99, 1)),
    ],
)
def test_a_metric_has_the_value_of_its_type(members: dict[str, Any], wanted: Any) -> None:
    (found,) = metrics(members)
    assert (found["datatype"], found["value"]) == wanted


def test_a_metric_by_alias_alone_has_no_name() -> None:
    found = metrics({"name": "t", "alias": 3, "float_value": 1.5}, {"alias": 3, "float_value": 2.5})
    assert [metric.get("name") for metric in found] == ["t", None]


@pytest.mark.parametrize(
    "payload",
    [b"\x12\x04\x0a\x02\xc3\x28", b"\x22\x02\xc3\x28", b"\x12\x06\x4a\x04\x0a\x02\xc3\x28"],
)
def test_a_text_that_is_not_utf_8_costs_its_message(payload: bytes) -> None:
    with pytest.raises(FormatError, match="format:sparkplug"):
        sparkplug.decode(payload)


def test_an_array_of_half_an_element_costs_its_message() -> None:
    with pytest.raises(FormatError, match="format:sparkplug"):
        metrics({"datatype": 23, "bytes_value": b"\x01"})


@pytest.mark.parametrize(
    ("content", "message", "wanted"),
    [
        (b"\xff", MESSAGE, "is not a descriptor set"),
        (SET, MESSAGE.replace("Reading", "Other"), "has no type 'lab.Other', but .*lab.Reading"),
        (descriptor_set(PROTO.replace("Inner {", "Other {")), MESSAGE, "--include_imports"),
    ],
)
def test_a_descriptor_that_does_not_fit_is_refused(
    content: bytes, message: str, wanted: str
) -> None:
    with pytest.raises(ContractError, match=wanted):
        message_class(contract_with(content, message))


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ('format = "protobuf"', "message.descriptor: '' is not valid"),
        ('format = "protobuf"\ndescriptor = "a/b.pb"\ntype = "a"', "descriptor: .* is not valid"),
        ('format = "protobuf"\ndescriptor = "b.toml"\ntype = "a"', "descriptor: .* is not valid"),
        ('format = "protobuf"\ndescriptor = "b.pb"\ntype = "a..b"', "type: .* is not valid"),
        ('format = "csv"\ntype = "a"', "message.type: is for format = 'protobuf'"),
    ],
)
def test_the_contract_says_what_is_wrong(message: str, wanted: str) -> None:
    with pytest.raises(ContractError, match=wanted):
        contract_in(message)
