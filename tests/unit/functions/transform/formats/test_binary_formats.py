"""CBOR and MessagePack: the JSON that stands for them, and what hostile bytes cost."""

from __future__ import annotations

import base64
import json
import math
import random
from collections.abc import Callable
from typing import Any

import cbor2
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.transform.formats import cbor, message_pack
from functions.transform.formats.document import Document, FormatError
from tests.unit.functions.transform.formats.payloads import contract_in, read_both_ways, reasons

Decode = Callable[[bytes, dict[str, str]], Document]
CBOR = contract_in('format = "cbor"')
MSGPACK = contract_in('format = "msgpack"')
READINGS = contract_in('format = "cbor"\nreadings = "r"')

KEYS = st.text(max_size=5) | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def as_json(value: Any) -> Any:
    """The JSON value that stands for a value, by docs/contract.md."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).decode().rstrip("=")
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(as_json(key)): as_json(item) for key, item in value.items()}
    return value


def names(value: Any) -> list[str]:
    return [str(as_json(key)) for key in value]


def is_ambiguous(value: Any) -> bool:
    """True if two keys of a map become the same text."""
    if isinstance(value, dict):
        same = len(set(names(value))) < len(value)
        return same or any(is_ambiguous(item) for item in value.values())
    return isinstance(value, list) and any(is_ambiguous(item) for item in value)


@pytest.mark.parametrize(
    ("decode", "encode"), [(cbor.decode, cbor2.dumps), (message_pack.decode, msgpack.packb)]
)
@given(value=VALUES)
def test_what_the_library_writes_is_read(decode: Decode, encode: Any, value: Any) -> None:
    payload = encode(value)
    if is_ambiguous(value):
        with pytest.raises(FormatError):
            decode(payload, {})
        return
    found = json.loads(decode(payload, {}).text)
    assert json.dumps(found) == json.dumps(as_json(value))


@pytest.mark.parametrize("decode", [cbor.decode, message_pack.decode])
@given(payload=st.binary(max_size=60))
def test_any_bytes_are_json_or_one_error(decode: Decode, payload: bytes) -> None:
    try:
        text = decode(payload, {}).text
    except FormatError:
        return
    json.loads(text)
    text.encode()


@pytest.mark.parametrize("contract", [CBOR, MSGPACK, READINGS])
def test_random_bytes_cost_their_own_messages_alone(contract: Any) -> None:
    rng = random.Random(7)
    good = {"r": [{"id": 1}, {"id": 2}]} if contract is READINGS else {"id": 1}
    sound = (msgpack.packb if contract is MSGPACK else cbor2.dumps)(good)
    noise = [rng.randbytes(rng.randrange(40)) for _ in range(200)]
    noise += [sound[:cut] for cut in range(len(sound))]
    torn = [bytes(b ^ (rng.random() < 0.1) * rng.randrange(256) for b in sound) for _ in range(100)]
    batch = read_both_ways(contract, *noise, sound, *torn)
    assert 1 in batch.rows["id"].to_list()
    assert not [why for *_, why in reasons(batch) if why.startswith("unreadable")]


@pytest.mark.parametrize(
    ("hexed", "wanted"),
    [
        ("c249010000000000000000", 2**64),
        ("c349010000000000000000", -(2**64) - 1),
        ("3bffffffffffffffff", -(2**64)),
        ("c48221196ab3", 273.15),
        ("c11a5f5e1000", 1600000000),
        ("c074323032362d30332d30315431323a30303a30305a", "2026-03-01T12:00:00Z"),
        ("d9d9f7a10102", {"1": 2}),
        ("d82550" + "00" * 16, "A" * 22),
        ("d823623f3f", "??"),
        ("d81c8101", [1]),
        ("9f01bf6161f6ffff", [1, {"a": None}]),
        ("7f61616162ff", "ab"),
        ("5f4101420203ff", "AQID"),
        ("f97e00", "NaN"),
        ("f97c00", "Infinity"),
        ("faff800000", "-Infinity"),
        ("f7", None),
        ("a2f501f602", {"true": 1, "null": 2}),
    ],
)
def test_an_item_of_cbor_stands_for_json(hexed: str, wanted: Any) -> None:
    assert json.loads(cbor.decode(bytes.fromhex(hexed), {}).text) == wanted


@pytest.mark.parametrize(
    ("hexed", "wanted"),
    [
        ("d6ff5f5e1000", 1600000000),
        ("d7ff" + (500_000_000 << 34 | 1600000000).to_bytes(8).hex(), 1600000000.5),
        ("c70cff00000001ffffffffffffffff", -0.999999999),
        ("d40105", "BQ"),
        ("c40161", "YQ"),
        ("de00010102", {"1": 2}),
    ],
)
def test_a_value_of_messagepack_stands_for_json(hexed: str, wanted: Any) -> None:
    assert json.loads(message_pack.decode(bytes.fromhex(hexed), {}).text) == wanted


HOSTILE_CBOR = {
    "empty": "", "torn": "a1", "another item behind": "a0a0", "break alone": "ff",
    "huge array": "9bffffffffffffffff", "huge map": "bb00000000ffffffff0101",
    "huge text": "7b7fffffffffffffff41", "huge bytes": "5b00000000ffffffff00",
    "one key twice": "a2616101616102", "one key twice as text": "a201016131 02",
    "array as a key": "a1810101", "map as a key": "a1a00101", "tag as a key": "a1c2410101",
    "reference": "82d81c81 01 d81d00", "reference to itself": "d81c81d81d00",
    "string reference": "d9010082636161 61d81900", "text that is not UTF-8": "62c328",
    "unknown simple value": "f0", "reserved length": "1c", "chunk of another kind": "7f4161ff",
    "chunk within a chunk": "7f7f6161ffff", "half a character a chunk": "7f61c361a9ff",
    "number without a size": "1f", "huge whole number": "c2591000" + "ff" * 4096,
    "deep": "81" * 100_000 + "00", "deep tags": "c6" * 100_000 + "00",
    "decimal that is none": "c482616100",
}  # fmt: skip


@pytest.mark.parametrize("hexed", HOSTILE_CBOR.values(), ids=HOSTILE_CBOR)
def test_hostile_cbor_costs_its_message_alone(hexed: str) -> None:
    payload = bytes.fromhex(hexed)
    batch = read_both_ways(CBOR, cbor2.dumps({"id": 1}), payload, cbor2.dumps({"id": 2}))
    assert reasons(batch) == [(1, None, "format:cbor")]
    assert batch.rows["id"].to_list() == [1, 2]


HOSTILE_MSGPACK = {
    "empty": "", "torn": "81", "another value behind": "8080", "never used": "c1",
    "huge array": "ddffffffff", "huge map": "dfffffffff", "huge text": "dbffffffff41",
    "huge extension": "c9ffffffff01", "one key twice": "82a16101a16102",
    "array as a key": "81910101", "map as a key": "81800101", "text that is not UTF-8": "a2c328",
    "deep": "91" * 100_000 + "00", "timestamp of five bytes": "c705ff0000000000",
    "too many nanoseconds": "d7ffffffffff00000000",
}  # fmt: skip


@pytest.mark.parametrize("hexed", HOSTILE_MSGPACK.values(), ids=HOSTILE_MSGPACK)
def test_hostile_messagepack_costs_its_message_alone(hexed: str) -> None:
    payload = bytes.fromhex(hexed)
    batch = read_both_ways(MSGPACK, msgpack.packb({"id": 1}), payload, msgpack.packb({"id": 2}))
    assert reasons(batch) == [(1, None, "format:msgpack")]
    assert batch.rows["id"].to_list() == [1, 2]


def test_a_hundred_levels_are_read_and_no_more() -> None:
    assert cbor.decode(b"\x81" * 100 + b"\x00", {}).text.count("[") == 100
    assert message_pack.decode(b"\x91" * 100 + b"\x00", {}).text.count("[") == 100
    for decode, head in ((cbor.decode, b"\x81"), (message_pack.decode, b"\x91")):
        with pytest.raises(FormatError, match="format:"):
            decode(head * 101 + b"\x00", {})


def test_what_is_no_number_is_a_marker_or_invalid() -> None:
    marked = contract_in(
        'format = "cbor"',
        """
[columns.id]
type = "integer"
required = true
[columns.t]
type = "float"
missing = ["NaN"]
""",
    )
    payloads = [cbor2.dumps({"id": n, "t": t}) for n, t in enumerate((math.nan, math.inf, 1.5))]
    batch = read_both_ways(marked, *payloads)
    assert batch.rows.rows() == [(0, None), (2, 1.5)]
    assert reasons(batch) == [(1, None, "invalid:t")]


def test_senml_goes_by_number_in_both() -> None:
    contract = contract_in(
        'format = "msgpack"\nshape = "senml"',
        '[columns.id]\ntype = "integer"\nfrom = "v"\nrequired = true\n'
        '[columns.n]\ntype = "text"\nfrom = "n"\nmax_length = 9\n',
    )
    pack = msgpack.packb([{-2: "box:", 0: "t", 2: 1}, {"n": "h", "v": 2}])
    assert read_both_ways(contract, pack).rows.rows() == [(1, "box:t"), (2, "box:h")]
