"""Speed of cleaning by shape and format, as a share of that of arrays of JSON objects.

Usage: ``python -m bench.formats [--quick]``, in the interpreter of the tests, which has the
libraries of binary formats. All cases have the same readings of five values, 50 to a message, or
one of each value where that is the format's way, and are measured in turn by processor time, so
that a busy machine changes little. Printed as the rows of the table of speeds in
``docs/contract-messages.md``.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from functions.transform.careful import CarefulReader
from functions.transform.clean import clean
from functions.transform.formats.payload_decoder import PayloadDecoder
from local.devices.encoding import as_sent
from telemetry.contract import Contract, parse_contract
from telemetry.contract.files import with_files

BASE = 1_772_366_400_000
NAMES = ("ts", "t", "h", "p", "v")
READINGS = 50
Reading = dict[str, Any]

DECODER = b"import json\n\n\ndef decode(payload, envelope):\n    return json.loads(payload)\n"


@dataclass(frozen=True)
class Case:
    """A shape or format: the lines of ``[message]``, and a message's JSON from its readings."""

    name: str
    message: str
    build: Callable[[list[Reading]], Any]
    source: str = "{}"
    """The source of a column by its name."""
    time: str = '"{}"'
    """The source of the time, in TOML, and what else its column has."""
    more: str = ""
    encode: Callable[[Any], bytes] | None = None
    narrow: tuple[str, str, str] | None = None
    """Sources of name, time and value, where each value is a reading of its own."""

    @property
    def rows(self) -> int:
        """Rows of each reading."""
        return 1 if self.narrow is None else len(NAMES) - 1


def descriptor() -> bytes:
    """A descriptor set with the type ``lab.Message``, which has the readings."""
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

    kinds = FieldDescriptorProto
    found = FileDescriptorSet()
    file = found.file.add(name="lab.proto", package="lab", syntax="proto3")
    reading, message = (file.message_type.add(name=name) for name in ("Reading", "Message"))
    for number, name in enumerate(NAMES, 1):
        kind = kinds.TYPE_INT64 if name == "ts" else kinds.TYPE_DOUBLE
        reading.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
    message.field.add(
        name="r", number=1, label=kinds.LABEL_REPEATED,
        type=kinds.TYPE_MESSAGE, type_name=".lab.Reading",
    )  # fmt: skip
    return bytes(found.SerializeToString())


def rows(readings: list[Reading]) -> Any:
    """The readings as arrays of values."""
    return [[reading[name] for name in NAMES] for reading in readings]


def named(readings: list[Reading]) -> Any:
    """The readings as objects of name and value."""
    return [{"n": name, "v": reading[name], "ts": reading["ts"]}
            for reading in readings for name in NAMES[1:]]  # fmt: skip


def senml(readings: list[Reading]) -> Any:
    """A pack of SenML with a record for each value."""
    return [{"n": name, "t": one["ts"] // 1000, "v": one[name]}
            for one in readings for name in NAMES[1:]]  # fmt: skip


def metrics(readings: list[Reading]) -> Any:
    """The members of a payload of Sparkplug with a metric for each value."""
    found = [{"name": name, "timestamp": one["ts"], "value": one[name]}
             for one in readings for name in NAMES[1:]]  # fmt: skip
    return {"timestamp": readings[0]["ts"], "metrics": found}


def split(readings: list[Reading]) -> Any:
    """The readings as texts of values."""
    return {"r": [{"f": ";".join(str(reading[n]) for n in NAMES)} for reading in readings]}


def offset(readings: list[Reading]) -> Any:
    """The readings with times counted in seconds from the first."""
    later = [{**one, "offset": at} for at, one in enumerate(readings)]
    return {"start": readings[0]["ts"], "r": later}


def nested(readings: list[Reading]) -> Any:
    """The readings under two objects of an outer array."""
    return {"o": [{"i": at, "r": readings[at::2]} for at in (0, 1)]}


def line_of(reading: Reading) -> Any:
    """The members of a line of Influx line protocol."""
    fields = {name: reading[name] for name in NAMES[1:]}
    return {"name": "m", "fields": fields, "timestamp": reading["ts"]}


def inner(readings: list[Reading]) -> Any:
    """A message with the readings as a text in a member."""
    return {"d": json.dumps(readings)}


def packed(readings: list[Reading]) -> Any:
    """The same in base64."""
    return {"d": base64.b64encode(json.dumps(readings).encode()).decode()}


FIELDS = f"fields = {json.dumps(NAMES)}"
ARRAY = Case("objects in an array (JSON)", 'readings = "r"', lambda r: {"r": r})
CASES = (
    ARRAY,
    Case("arrays of values, `rows`", f'readings = "r"\nshape = "rows"\n{FIELDS}',
         lambda r: {"r": rows(r)}),
    Case("arrays of pairs, `pairs`", 'readings = "r"\nshape = "pairs"',
         lambda r: {"r": [[[n, one[n]] for n in NAMES] for one in r]}),
    Case("objects of name and value, `pairs`",
         'readings = "r"\nshape = "pairs"\npairs = { name = "n", value = "v", by = ["ts"] }',
         lambda r: {"r": named(r)}),
    Case("objects by time, `keyed`", 'readings = "r"\nshape = "keyed"',
         lambda r: {"r": {str(one["ts"]): one for one in r}}, time='"$key"'),
    Case("arrays side by side, `parallel`", 'readings = "r"\nshape = "parallel"',
         lambda r: {"r": {n: [one[n] for one in r] for n in NAMES}}),
    Case("two levels, `o[].r`", 'readings = "o[].r"', nested),
    Case("elements by place, `a[1]`", 'readings = "r"',
         lambda r: {"r": [{"a": one} for one in rows(r)]},
         source="a[{place}]"),
    Case("parts of a text", 'readings = "r"', split, source="$parts.f[{place}]",
         more='[parts.f]\nsplit = ";"\n'),
    Case("times by an offset, `plus`", 'readings = "r"', offset,
         time='"$message.start"\nplus = { from = "offset", unit = "s" }'),
    Case("JSON in a text, `unpack`", 'readings = "d"\nunpack = { member = "d" }', inner),
    Case("JSON in base64, `unpack`",
         'readings = "d"\nunpack = { member = "d", encoding = ["base64"] }', packed),
    Case("`ndjson`", 'format = "ndjson"', lambda r: r),
    Case("`csv` with a header", 'format = "csv"', lambda r: r),
    Case("`csv` without one", f'format = "csv"\n{FIELDS}', lambda r: r),
    Case("`influx`", 'format = "influx"', lambda r: [line_of(one) for one in r],
         source="fields.{}", time='"timestamp"'),
    Case("`melt` (a reading is one value)", 'readings = "r"\nmelt = ["t", "h", "p", "v"]',
         lambda r: {"r": r}, narrow=("$metric", "ts", "$value")),
    Case("SenML (a reading is one value)", 'shape = "senml"', senml, narrow=("n", "t", "v")),
    Case("`protobuf`",
         'format = "protobuf"\ndescriptor = "lab.binpb"\ntype = "lab.Message"\nreadings = "r"',
         lambda r: {"r": r}),
    Case("`sparkplug` (a reading is one value)", 'format = "sparkplug"', metrics,
         narrow=("name", "timestamp", "value")),
    Case("`cbor`", 'format = "cbor"\nreadings = "r"', lambda r: {"r": r}),
    Case("`msgpack`", 'format = "msgpack"\nreadings = "r"', lambda r: {"r": r}),
    Case("a decoder of one's own (`json.loads`)", 'decoder = "d.py:decode"', lambda r: r,
         encode=lambda found: json.dumps(found).encode()),
)  # fmt: skip


def contract_of(case: Case) -> Contract:
    """The contract of a case; its key is the message and the reading's place in it."""
    name = "" if case.narrow is None else ', "name"'
    text = (
        f'name = "bench"\ntopic = "lab/+"\n[message]\n{case.message}\n{case.more}'
        f'[table]\nname = "bench"\nkey = ["message", "i"{name}]\n'
        '[columns.message]\ntype = "text"\nmax_length = 9\nfrom = "$message_id"\nrequired = true\n'
        '[columns.i]\ntype = "bigint"\nfrom = "$index"\nrequired = true\n'
        + (_columns(case) if case.narrow is None else _narrow(*case.narrow))
    )
    files = {"d.py": DECODER, "lab.binpb": descriptor()}
    return with_files(parse_contract(text.encode(), "bench"), files.__getitem__)


def _narrow(name: str, time: str, value: str) -> str:
    unit = "epoch_s" if time == "t" else "epoch_ms"
    return (
        f'[columns.name]\ntype = "text"\nmax_length = 9\nfrom = "{name}"\nrequired = true\n'
        f'[columns.ts]\ntype = "timestamp"\nformats = ["{unit}"]\nfrom = "{time}"\n'
        f'[columns.value]\ntype = "float"\nfrom = "{value}"\n'
    )


def _columns(case: Case) -> str:
    columns = ""
    for place, name in enumerate(NAMES):
        source = f'"{case.source.format(name, place=place)}"'
        kind = 'type = "float"\n'
        if name == "ts":
            source = case.time.replace("{}", case.source.format(name, place=place))
            kind = 'type = "timestamp"\nformats = ["epoch_ms"]\n'
        columns += f"[columns.{name}]\n{kind}from = {source}\n"
    return columns


def raw_lines(case: Case, contract: Contract, messages: int) -> bytes:
    """A raw object of that many messages."""
    return b"\n".join(_lines(case, contract, messages))


def _lines(case: Case, contract: Contract, messages: int) -> Iterator[bytes]:
    for number in range(messages):
        found = case.build([_reading(number * READINGS + at) for at in range(READINGS)])
        content = json.dumps(found, separators=(",", ":")).encode()
        payload = as_sent(contract, content) if case.encode is None else case.encode(found)
        envelope = {"message_id": f"m{number:05}", "topic": "lab/box", "client_id": "box"}
        envelope |= {"received_at": BASE, "payload": base64.b64encode(payload).decode()}
        yield json.dumps(envelope).encode()


def _reading(number: int) -> Reading:
    values = (20 + number % 97 / 8, 40 + number % 53 / 4, 990 + number % 31 / 2, 3 + number % 7 / 8)
    return dict(zip(NAMES, (BASE + number * 1000, *values), strict=True))


def way_of(raw: bytes, contract: Contract) -> str:
    """Tells whether payloads are decoded, and their readings taken, in bulk or one by one."""
    calls = {"decoded": 0, "read": 0}
    decode, read = PayloadDecoder.document, CarefulReader.read

    def decoded(self: Any, *arguments: Any) -> Any:
        calls["decoded"] += 1
        return decode(self, *arguments)

    def taken(self: Any, *arguments: Any, **more: Any) -> Any:
        calls["read"] += 1
        return read(self, *arguments, **more)

    PayloadDecoder.document, CarefulReader.read = decoded, taken  # type: ignore[method-assign]
    try:
        clean(raw, contract)
    finally:
        PayloadDecoder.document, CarefulReader.read = decode, read  # type: ignore[method-assign]
    if calls["read"]:
        return "one by one"
    return "decoded one by one, then in bulk" if calls["decoded"] else "in bulk"


def main(messages: int, rounds: int) -> None:
    """Prints a row of the table for each case."""
    contracts = [contract_of(case) for case in CASES]
    raws = [raw_lines(case, one, messages) for case, one in zip(CASES, contracts, strict=True)]
    best = [float("inf")] * len(CASES)
    for _ in range(rounds):
        for at, (contract, raw) in enumerate(zip(contracts, raws, strict=True)):
            started = time.process_time()
            accepted = clean(raw, contract).rows.height
            best[at] = min(best[at], time.process_time() - started)
            if accepted != messages * READINGS * CASES[at].rows:
                raise SystemExit(f"{CASES[at].name}: {accepted} of the readings are rows")
    for case, contract, raw, seconds in zip(CASES, contracts, raws, best, strict=True):
        share = f"{100 * case.rows * best[0] / seconds:.0f}"
        print(f"| {case.name} | {way_of(raw, contract)} | {share} |")
    print(f"JSON: {messages * READINGS / best[0]:,.0f} readings/s", file=sys.stderr)


if __name__ == "__main__":
    main(*((40, 1) if "--quick" in sys.argv else (400, 3)))
