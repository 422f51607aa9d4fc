"""Random payloads of every format: in bulk, one by one and by the plain reference alike.

``FUZZ_CONTRACTS=500 SEED=7`` tries more, and others.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Callable
from random import Random
from typing import Any

import cbor2
import msgpack
import pytest

from functions.transform import clean as cleaning
from functions.transform.clean import clean
from functions.transform.formats.protobuf import message_class_of
from functions.transform.formats.sparkplug import payload_class
from telemetry.contract import parse_contract
from telemetry.contract.files import with_files
from tests.property.reference import expect
from tests.property.reference_formats import REVERSED
from tests.property.test_transform_properties import in_order, spelled, told
from tests.unit.functions.transform.envelopes_for import line
from tests.unit.functions.transform.formats.descriptors import descriptor_set

CI = os.environ.get("HYPOTHESIS_PROFILE") == "ci"
BATCHES = int(os.environ.get("FUZZ_CONTRACTS") or (300 if CI else 25))
SEED = int(os.environ.get("SEED") or 1)
COLUMNS = """
[columns.id]
type = "bigint"
required = true
[columns.t]
type = "float"
missing = ["", "NaN"]
[columns.s]
type = "text"
max_length = 8
on_invalid = "null"
[columns.ok]
type = "boolean"
on_invalid = "null"
"""
INFLUX = """
[columns.id]
type = "bigint"
from = "fields.id"
required = true
[columns.s]
type = "text"
from = ["tags.s", "fields.s"]
max_length = 8
on_invalid = "null"
[columns.ok]
type = "boolean"
from = "fields.ok"
on_invalid = "null"
[columns.at]
type = "bigint"
from = "timestamp"
on_invalid = "null"
"""
ONE = '[columns.id]\ntype = "bigint"\nfrom = "value"\nrequired = true\n'
TEXTS = ["", "a", "-1", "1.50", "007", "NaN", "true", "é", '"', "a,b", "x\ny", "\\", " 5 ", "\x00"]
METRIC = """
[columns.id]
type = "bigint"
from = "alias"
required = true
[columns.t]
type = "float"
from = "value"
on_invalid = "null"
[columns.s]
type = "text"
from = "name"
max_length = 8
on_invalid = "null"
[columns.ok]
type = "boolean"
from = "is_historical"
"""
PROTO = descriptor_set("""
package lab;
message Reading {
  optional int64 id = 1;
  optional double t = 2;
  optional string s = 3;
  optional bool ok = 4;
}
""")
FILES = {"decode.py": REVERSED, "lab.binpb": PROTO}
MESSAGES: dict[str, tuple[str, str]] = {
    "ndjson": ('format = "ndjson"', COLUMNS),
    "arrays in ndjson": ('format = "ndjson"\nreadings = "$message[].r"', COLUMNS),
    "ndjson in a member": (
        'readings = "d"\nunpack = { member = "d", encoding = ["base64", "gzip"], format = "ndjson" }',
        COLUMNS,
    ),
    "csv in a member": ('readings = "d"\nunpack = { member = "d", format = "csv" }', COLUMNS),
    "csv with a header": ('format = "csv"', COLUMNS),
    "csv": ('format = "csv"\nfields = ["id", "t", "s"]\ndelimiter = ";"', COLUMNS),
    "value": ('format = "value"', ONE),
    "influx": ('format = "influx"', INFLUX),
    "cbor": ('format = "cbor"', COLUMNS),
    "cbor with readings": ('format = "cbor"\nreadings = "r"', COLUMNS),
    "msgpack": ('format = "msgpack"\nreadings = "$message"', COLUMNS),
    "decoder": ('decoder = "decode.py:decode"', COLUMNS),
    "protobuf": ('format = "protobuf"\ndescriptor = "lab.binpb"\ntype = "lab.Reading"', COLUMNS),
    "sparkplug": ('format = "sparkplug"', METRIC),
}


def value(rng: Random) -> Any:
    return rng.choice([
        rng.randrange(9), rng.randrange(-(2**63), 2**63), rng.random(), float("nan"), None, True,
        False, rng.choice(TEXTS), b"\xff\x00", [1], {"t": 1},
    ])  # fmt: skip


def reading(rng: Random) -> dict[Any, Any]:
    names = rng.sample(["id", "t", "s", "ok", "x", 1], rng.randrange(1, 6))
    found = {name: value(rng) for name in names}
    if rng.random() < 0.8:
        found["id"] = rng.randrange(6)
    return found


def as_ndjson(rng: Random) -> bytes:
    lines = []
    for _ in range(rng.randrange(4)):
        found = {str(n): v for n, v in reading(rng).items() if not isinstance(v, bytes)}
        lines.append(json.dumps(found, ensure_ascii=rng.random() < 0.5))
        if rng.random() < 0.2:
            lines.append(rng.choice(["", "{", "}", "5", "[1]", '{"id":1},{"id":2}', " ", '{"a":"']))
    return rng.choice(["\n", "\r\n", "\n\n"]).join(lines).encode()


def as_csv(delimiter: str, header: bool) -> Callable[[Random], bytes]:
    def made(rng: Random) -> bytes:
        names = rng.sample(["id", "t", "s", "x", "id"], rng.randrange(1, 5))
        rows = [names] if header else []
        for _ in range(rng.randrange(4)):
            texts = [rng.choice(TEXTS[:8] if rng.random() < 0.8 else TEXTS) for _ in names]
            texts[0] = str(rng.randrange(6))
            rows.append(texts + ["z"] * (rng.random() < 0.1))
        quoted = rng.random() < 0.3
        lines = [
            delimiter.join(f'"{t.replace(chr(34), chr(34) * 2)}"' if quoted else t for t in row)
            for row in rows
        ]
        return rng.choice(["\n", "\r\n"]).join(lines).encode()

    return made


def as_arrays_in_ndjson(rng: Random) -> bytes:
    lines = []
    for _ in range(rng.randrange(4)):
        inner = as_ndjson(rng).decode().replace("\r\n", "\n").split("\n")
        lines.append(f'{{"r":[{",".join(filter(str.strip, inner))}]}}')
    return "\n".join([*lines, rng.choice(["", "oops", "5", '{"id":3}'])]).encode()


def in_a_member(write: Callable[[Random], bytes], *, zipped: bool) -> Callable[[Random], bytes]:
    def made(rng: Random) -> bytes:
        content = mangled(rng, write(rng))
        if zipped:
            content = base64.b64encode(mangled(rng, gzip.compress(content, mtime=0)))
        text = content.decode("utf-8", "replace")
        return json.dumps({"x": 1, "d": text}, ensure_ascii=rng.random() < 0.5).encode()

    return made


def point(rng: Random) -> str:
    """A line of line protocol, more or less."""
    tags = rng.choice(["", ",s=a", r",s=a\,b\ c\=d", ",s=a,s=b,t=é", ",s=", ",s", ",s=a\\"])
    values = ["1", "1i", "007", "-3u", "+1.50", ".5", "5.", "1e3", "true", "F", "yes", "", "NaN",
              '"a b"', '"a\nb"', r'"a\"\\"', '"', '""', "0", "-0i", "1.2.3"]  # fmt: skip
    names = rng.sample(["id", "s", "ok", r"x\ y"], rng.randrange(1, 4))
    fields = [f"{name}={rng.choice(values)}" for name in names]
    fields[0] = f"id={rng.randrange(6)}{rng.choice(['', 'i', 'u'])}"
    moment = rng.choice(["", "", " 5", " -17", " 1.5", "  9  ", " 1 2", "\r", " 3\r", " 007"])
    head = rng.choice(["m", "m", "m", r"m\ n", " m", "#m", "", '"m"'])
    return f"{head}{tags} {','.join(fields)}{moment}"


def as_binary(dumps: Callable[[Any], bytes], shape: str) -> Callable[[Random], bytes]:
    def made(rng: Random) -> bytes:
        found: Any = [reading(rng) for _ in range(rng.randrange(3))]
        found = {"r": found, 2: b""} if shape == "readings" else found
        return dumps(reading(rng) if shape == "one" else found)

    return made


def as_reversed(rng: Random) -> bytes:
    found: Any = [
        {str(n): v for n, v in reading(rng).items() if not isinstance(v, bytes)}
        for _ in range(rng.randrange(3))
    ]
    if rng.random() < 0.1:
        found = rng.choice([{}, 5, None, [5], [[]]])
    return json.dumps(found, ensure_ascii=rng.random() < 0.5).encode()[::-1]


def as_protobuf(rng: Random) -> bytes:
    pool = message_class_of("lab.binpb", PROTO, "lab.Reading")
    values = {
        "id": rng.choice([rng.randrange(6), rng.randrange(-(2**63), 2**63)]),
        "t": rng.choice([0.0, rng.random(), float("nan"), float("-inf")]),
        "s": rng.choice(TEXTS),
        "ok": rng.random() < 0.5,
    }
    names = {"id"} | set(rng.sample(list(values), rng.randrange(4)))
    return bytes(pool(**{name: values[name] for name in names}).SerializeToString())


def as_sparkplug(rng: Random) -> bytes:
    message = payload_class()()
    for _ in range(rng.randrange(4)):
        value = rng.choice([
            {"datatype": 10, "double_value": rng.choice([0.0, rng.random(), float("nan")])},
            {"datatype": 4, "long_value": rng.randrange(2**64)},
            {"datatype": 7, "int_value": rng.randrange(2**32)},
            {"datatype": 12, "string_value": rng.choice(TEXTS)},
            {"datatype": 11, "boolean_value": True}, {"is_null": True}, {},
        ])  # fmt: skip
        names = {"alias": rng.randrange(6)} | (
            {"name": rng.choice(TEXTS)} if rng.random() < 0.5 else {}
        )
        message.metrics.add(**names, **value)
    return bytes(message.SerializeToString())


WRITERS: dict[str, Callable[[Random], bytes]] = {
    "ndjson": as_ndjson,
    "arrays in ndjson": as_arrays_in_ndjson,
    "ndjson in a member": in_a_member(as_ndjson, zipped=True),
    "csv in a member": in_a_member(as_csv(",", header=True), zipped=False),
    "csv with a header": as_csv(",", header=True),
    "csv": as_csv(";", header=False),
    "value": lambda rng: rng.choice([*TEXTS, "3", "4", "5\r\n"]).encode(),
    "influx": lambda rng: "\n".join(point(rng) for _ in range(rng.randrange(4))).encode(),
    "cbor": as_binary(cbor2.dumps, "one"),
    "cbor with readings": as_binary(cbor2.dumps, "readings"),
    "msgpack": as_binary(msgpack.packb, "list"),
    "decoder": as_reversed,
    "protobuf": as_protobuf,
    "sparkplug": as_sparkplug,
}


def mangled(rng: Random, payload: bytes) -> bytes:
    """The payload, or what is left of it on a bad line."""
    if rng.random() < 0.9 or not payload:
        return payload
    at = rng.randrange(len(payload))
    return rng.choice([payload[:at], payload[:at] + b"\xff" + payload[at + 1 :], payload * 2])


@pytest.mark.parametrize("name", MESSAGES)
def test_any_way_of_reading_gives_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    message, columns = MESSAGES[name]
    text = f'name = "t"\ntopic = "lab/+"\n[message]\n{message}\n'
    contract = parse_contract(
        f'{text}[table]\nname = "t"\nkey = ["id"]\n{columns}'.encode(), "t.toml"
    )
    contract = with_files(contract, FILES.__getitem__)
    rows = 0
    for seed in range(SEED, SEED + BATCHES):
        rng = Random(f"{name}/{seed}")
        payloads = [mangled(rng, WRITERS[name](rng)) for _ in range(8)]
        raw = b"\n".join(line(payload, number) for number, payload in enumerate(payloads))
        monkeypatch.setattr(cleaning, "RUN_BYTES", rng.choice([100, 12 << 20]))
        fast, slow = clean(raw, contract), clean(raw, contract, bulk=False)
        wanted = expect(raw, contract)
        note = f"FUZZ_CONTRACTS=1 SEED={seed}: {payloads}"
        assert not [r for r in fast.rejects if r.reasons[0].startswith("unreadable")], note
        assert fast.rejects == slow.rejects, note
        assert fast.rows.equals(slow.rows), note
        assert in_order(told(fast)) == in_order(wanted.rejects), note
        assert sorted(map(spelled, fast.rows.rows())) == sorted(
            map(spelled, wanted.rows.values())
        ), note
        assert (fast.read, fast.empty_messages) == (wanted.read, wanted.empty_messages), note
        rows += fast.rows.height
    assert rows > BATCHES
