"""Payloads as devices of a contract send them: JSON readings in the contract's format, compressed.

The reverse of ``functions.transform.formats``, for the simulated fleet and for files of readings
that are published. The libraries of binary formats are imported where a contract has one.
"""

from __future__ import annotations

import base64
import binascii
import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from functions.transform.formats.own_decoder import own_encoder
from functions.transform.parts import member
from telemetry.contract.formats import LINE_FORMATS
from telemetry.contract.model import Contract, Encoding, PackedMember

__all__ = ["as_sent"]


def as_sent(contract: Contract, payload: bytes) -> bytes:
    """The payload as the contract's devices send it, from its JSON.

    A payload that isn't JSON, or not of readings, is taken to be in the contract's format already.
    """
    if contract.unpack:
        payload = _with_packed_members(contract, payload)
    if contract.format != "json":
        payload = _encoded(contract, payload)
    return payload if contract.compression is None else gzip.compress(payload, mtime=0)


def _with_packed_members(contract: Contract, payload: bytes) -> bytes:
    """The payload with its members packed; those that are texts are taken to be packed already."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return payload
    changed = False
    for one in reversed(contract.unpack):
        holder = member(document, one.path[:-1])
        value = holder.get(one.path[-1]) if isinstance(holder, dict) else None
        if isinstance(value, dict | list):
            holder[one.path[-1]] = _packed(contract, one, value)
            changed = True
    return _compact(document).encode() if changed else payload


def _packed(contract: Contract, one: PackedMember, value: Any) -> str:
    content = _compact(value).encode()
    if one.format != "json":
        content = _encoded(replace(contract, format=one.format), content)
    for step in reversed(one.encoding):
        content = PACK[step](content)
    return content.decode()


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


PACK: dict[Encoding, Callable[[bytes], bytes]] = {
    "base64": base64.b64encode,
    "hex": binascii.hexlify,
    "gzip": partial(gzip.compress, mtime=0),
    "zlib": zlib.compress,
}


def _encoded(contract: Contract, payload: bytes) -> bytes:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return payload
    binary = BINARY.get(contract.format)
    if binary is not None:
        return binary(contract, document, payload)
    readings = document if isinstance(document, list) else [document]
    if not all(isinstance(reading, dict) for reading in readings):
        return payload
    if contract.format == "decoder":
        encode = own_encoder(contract)
        return payload if encode is None else encode(readings)
    return _text(contract, readings, payload).encode()


def _cbor(_contract: Contract, document: Any, _payload: bytes) -> bytes:
    import cbor2

    return bytes(cbor2.dumps(document))


def _msgpack(_contract: Contract, document: Any, _payload: bytes) -> bytes:
    import msgpack

    return bytes(msgpack.packb(document))


def _message(contract: Contract, document: Any, payload: bytes) -> bytes:
    """The message of Protocol Buffers with these members; the payload where it can't be one."""
    from google.protobuf.json_format import ParseDict, ParseError

    from functions.transform.formats.protobuf import message_class
    from functions.transform.formats.sparkplug import payload_class

    if not isinstance(document, dict):
        return payload
    if contract.format == "sparkplug":
        message = payload_class()()
        document = document | {"metrics": [_metric(found) for found in document["metrics"]]}
    else:
        message = message_class(contract)()
    try:
        return bytes(ParseDict(document, message, ignore_unknown_fields=True).SerializeToString())
    except ParseError:
        return payload


def _metric(reading: dict[str, Any]) -> dict[str, Any]:
    """A metric of Sparkplug by the names of the library: its value is in a field of its type."""
    value = reading.get("value")
    field, datatype = "string_value", 12
    if isinstance(value, bool):
        field, datatype = "boolean_value", 11
    elif isinstance(value, int | float):
        field, datatype, value = "double_value", 10, float(value)
    typed = {"is_null": True} if value is None else {field: value}
    return {"datatype": datatype} | {k: v for k, v in reading.items() if k != "value"} | typed


BINARY: dict[str, Callable[[Contract, Any, bytes], bytes]] = {
    "cbor": _cbor, "msgpack": _msgpack, "protobuf": _message, "sparkplug": _message,
}  # fmt: skip
"""Encoders of binary formats, by a contract, a document and the payload that it was read from."""


def _text(contract: Contract, readings: list[dict[str, Any]], payload: bytes) -> str:
    if contract.format == "csv":
        return _delimited(contract, readings)
    if contract.format == "influx":
        return "\n".join(map(_influx_line, readings))
    if contract.format in LINE_FORMATS:
        return "\n".join(map(_compact, readings))
    return _plain(readings[0].get("value")) if readings else payload.decode()


def _delimited(contract: Contract, readings: list[dict[str, Any]]) -> str:
    names = contract.fields or tuple(dict.fromkeys(name for found in readings for name in found))
    lines = io.StringIO()
    writer = csv.writer(lines, delimiter=contract.delimiter, lineterminator="\n")
    if not contract.fields:
        writer.writerow(names)
    writer.writerows([_plain(reading.get(name)) for name in names] for reading in readings)
    return lines.getvalue()


def _plain(value: Any) -> str:
    """The text of a value; the empty one for none."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def _influx_line(reading: dict[str, Any]) -> str:
    tags = "".join(
        f",{_escaped(name)}={_escaped(_plain(value))}"
        for name, value in reading.get("tags", {}).items()
    )
    fields = ",".join(
        f"{_escaped(name)}={_influx_value(value)}"
        for name, value in reading.get("fields", {}).items()
    )
    line = f"{_escaped(reading.get('name', 'reading'))}{tags} {fields or 'none=true'}"
    return f"{line} {reading['timestamp']}" if "timestamp" in reading else line


def _influx_value(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _escaped(name: str) -> str:
    return name.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")
