"""Payloads of other formats than JSON again, plainly, by docs/contract.md and the formats' libraries.

It shares no code with the transform, but for the schema of Sparkplug. Numbers become :class:`Spelled` texts, as of JSON.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
import math
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import msgpack
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessages
from google.protobuf.unknown_fields import UnknownFieldSet

from functions.transform.formats.sparkplug import payload_class
from telemetry.contract import Contract
from telemetry.contract.model import PackedMember

Json = Callable[[str], Any]
TAGS = {tag: lambda value, immutable: value for tag in range(1100)} | {
    2: lambda value, immutable: int.from_bytes(value) if isinstance(value, bytes) else value,
    3: lambda value, immutable: -1 - int.from_bytes(value) if isinstance(value, bytes) else value,
}
REVERSED = b"""
import json

def decode(payload, envelope):
    return json.loads(payload[::-1])
"""
BAD = object()
"""Stands for a payload that can't be decoded."""


class Faulty(str):
    """A line that can't be read, by its reason."""


def unpacked(packed: str, one: PackedMember, contract: Contract, read_json: Json) -> Any:
    """The JSON value of what is in a packed member, or the reason as a :class:`Faulty`."""
    content = packed.encode("utf-8", "surrogatepass")
    for step in one.encoding:
        try:
            content = UNPACK[step](content)
        except (ValueError, zlib.error):
            return Faulty(f"unpack:{step}")
    if one.format == "json":
        try:
            return read_json(content.decode())
        except UnicodeDecodeError:
            return Faulty("unpack:not_utf8")
        except ValueError:
            return Faulty("unpack:json")
    found = decoded(content, replace(contract, format=one.format), read_json)
    if isinstance(found, Faulty) and not found.startswith("decoder:"):
        found = Faulty("unpack:" + ("not_utf8" if found == "not_utf8" else one.format))
    return found


def _base64(content: bytes) -> bytes:
    text = re.sub(rb"[\r\n]", b"", content).replace(b"-", b"+").replace(b"_", b"/")
    if re.fullmatch(rb"[A-Za-z0-9+/]*={0,2}", text) is None or len(text.rstrip(b"=")) % 4 == 1:
        raise ValueError("not base64")
    bare = text.rstrip(b"=")
    padding = -len(bare) % 4
    if len(text) - len(bare) > padding:
        raise ValueError("too much padding")
    return base64.b64decode(bare + b"=" * padding)


def _one_stream(window: int) -> Callable[[bytes], bytes]:
    def inflated(content: bytes) -> bytes:
        stream = zlib.decompressobj(window)
        found = stream.decompress(content)
        if not stream.eof or stream.unused_data:
            raise ValueError("not one stream")
        return found

    return inflated


UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "base64": _base64,
    "hex": lambda content: binascii.unhexlify(re.sub(rb"[ \t\r\n\x0b\x0c]", b"", content)),
    "gzip": _one_stream(31),
    "zlib": _one_stream(15),
}


def decoded(payload: bytes, contract: Contract, read_json: Json) -> Any:
    """The JSON value of a payload, or the reason why there is none as a :class:`Faulty`."""
    if contract.format in ("cbor", "msgpack"):
        found = _binary(payload, contract.format)
        return Faulty(f"format:{contract.format}") if found is BAD else found
    if contract.format == "decoder":
        return _reversed(payload)
    if contract.format == "protobuf":
        return _protobuf(payload, contract)
    if contract.format == "sparkplug":
        return _sparkplug(payload)
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return Faulty("not_utf8")
    if contract.format == "ndjson":
        return _ndjson(text, read_json)
    if contract.format == "influx":
        return _influx(text)
    if contract.format == "csv":
        return _csv(text, contract)
    return {"value": text.strip(" \t\r\n")}


def _reversed(payload: bytes) -> Any:
    """What :data:`REVERSED` returns."""
    try:
        found = json.loads(payload[::-1])
    except ValueError as error:
        return Faulty(f"decoder:{type(error).__name__}")
    return _plain(found) if isinstance(found, list) else Faulty("decoder:not_a_list")


def _message(payload: bytes, message: Any) -> dict[str, Any] | None:
    """The library's own JSON of a message whose fields all have presence; ``None``: it is none."""
    try:
        message.ParseFromString(payload)
        found = MessageToDict(message, preserving_proto_field_name=True)
    except (DecodeError, ValueError):
        return None
    everything = Empty.FromString(payload)
    unknown = len(UnknownFieldSet(message))
    return None if unknown and unknown == len(UnknownFieldSet(everything)) else found


def _protobuf(payload: bytes, contract: Contract) -> Any:
    files = FileDescriptorSet.FromString(contract.files[0].content)
    found = _message(payload, GetMessages(files.file)[contract.message_type]())
    if found is None:
        return Faulty("format:protobuf")
    return _plain(found | ({"id": int(found["id"])} if "id" in found else {}))


def _sparkplug(payload: bytes) -> Any:
    message = payload_class()()
    found = _message(payload, message)
    texts = [text for m in message.metrics for text in (m.name, m.string_value)]
    if found is None or any(isinstance(text, bytes) for text in (*texts, message.uuid)):
        return Faulty("format:sparkplug")
    metrics = []
    for metric in found.get("metrics", []):
        value = next((metric[name] for name in metric if name.endswith("_value")), None)
        if metric.get("is_null"):
            value = None
        elif {"int_value", "long_value"} & metric.keys():
            bits = {1: 8, 2: 16, 3: 32, 4: 64}.get(metric.get("datatype"))
            value = int(value)
            if bits is not None:  # in two's complement
                value = (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
        plain = {name: metric[name] for name in ("name", "is_historical") if name in metric}
        plain |= {name: int(metric[name]) for name in ("alias",) if name in metric}
        metrics.append(plain | {"value": value})
    return _plain({"metrics": metrics})


def _ndjson(text: str, read_json: Json) -> Any:
    found: list[Any] = []
    for line in text.split("\n"):
        if not line.strip(" \t\r\n"):
            continue
        try:
            found.append(read_json(line))
        except ValueError:
            found.append(Faulty("not_json"))
    return found or Faulty("format:ndjson")


def _csv(text: str, contract: Contract) -> Any:
    file = io.StringIO(text.removeprefix("\ufeff"), newline="")
    try:
        rows = [row for row in csv.reader(file, delimiter=contract.delimiter, strict=True) if row]
    except csv.Error:
        return Faulty("format:csv")
    if not rows:
        return Faulty("format:csv")
    if contract.fields:
        return rows
    names = [name.strip() for name in rows[0]]
    found: list[Any] = []
    for row in rows[1:]:
        members: dict[str, str] = {}
        for name, value in zip(names, row, strict=False):
            members.setdefault(name, value)
        found.append(Faulty("too_many_fields") if len(row) > len(names) else members)
    return found


def _binary(payload: bytes, name: str) -> Any:
    try:
        if name == "msgpack":
            return _plain(msgpack.unpackb(payload, object_pairs_hook=_pairs, strict_map_key=False))
        return _plain(_cbor(payload))
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, cbor2.CBORDecodeError):
        return BAD


def _cbor(payload: bytes) -> Any:
    """The one item of a payload, its tags left out but those of large whole numbers."""
    file = io.BytesIO(payload)
    decoder = cbor2.CBORDecoder(
        file, allow_duplicate_keys=False, semantic_decoders=TAGS, tag_hook=_within
    )
    found = decoder.decode()
    try:
        decoder.read(1)
    except cbor2.CBORDecodeEOF:
        return found
    raise ValueError("something behind it")


def _within(*arguments: Any) -> Any:
    """What is in a tag that the library doesn't know."""
    return next(one.value for one in arguments if isinstance(one, cbor2.CBORTag))


def _pairs(pairs: list[Any]) -> dict[Any, Any]:
    if len({_key(key) for key, _ in pairs}) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _key(key: Any) -> str:
    if isinstance(key, bool) or key is None:
        return {True: "true", False: "false", None: "null"}[key]
    plain = _plain(key)
    return str(plain)


def _plain(value: Any) -> Any:
    from tests.property.reference import Spelled

    if isinstance(value, dict):
        names = [_key(key) for key in value]
        if len(set(names)) < len(names):
            raise ValueError("a key twice")
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).decode().rstrip("=")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Spelled(repr(value))
    if value is cbor2.undefined:
        return None
    if value is None or isinstance(value, str | bool):
        return value
    raise ValueError(value)


def _influx(text: str) -> Any:
    found: list[Any] = []
    at = 0
    while at < len(text):
        end = (text + "\n").index("\n", at)
        line = text[at:end].strip(" \t\r\n")
        if not line or line[0] == "#":
            at = end + 1
            continue
        try:
            point, at = _point(text + "\n", at)
        except ValueError:
            point, at = Faulty("format:influx"), end + 1
        found.append(point)
    return found or Faulty("format:influx")


def _point(text: str, at: int) -> tuple[Any, int]:
    """One character after the other; raises ``ValueError`` where the grammar is broken."""
    while text[at] in " \t":
        at += 1
    name, at = _word(text, at, ", ")
    point: dict[str, Any] = {"name": name, "tags": {}, "fields": {}}
    while text[at] == ",":
        key, at = _word(text, at + 1, ",= ")
        value, at = _word(text, _after("=", text, at), ",= ")
        point["tags"].setdefault(key, value)
    at = _blanks(text, at)
    while True:
        key, at = _word(text, at, ",= ")
        value, at = _field(text, _after("=", text, at))
        point["fields"].setdefault(key, value)
        if text[at] != ",":
            break
        at += 1
    rest, *_ = text[at:].split("\n", 1)
    digits = rest.removesuffix("\r").strip(" ")
    if digits:
        if (
            not rest.startswith(" ")
            or not digits.removeprefix("-").isascii()
            or not digits.removeprefix("-").isdigit()
        ):
            raise ValueError(digits)
        if len(digits.removeprefix("-")) > 19:
            raise ValueError(digits)
        point["timestamp"] = _number(str(int(digits)))
    if not point["tags"]:
        del point["tags"]
    return point, at + len(rest) + 1


def _word(text: str, at: int, stops: str) -> tuple[str, int]:
    word = ""
    while text[at] not in stops + "\r\n":
        if text[at] == "\\":
            following = text[at + 1]
            if following in "\r\n":
                raise ValueError("an escape of nothing")
            word += following if following in ", =" else text[at] + following
            at += 2
        else:
            word += text[at]
            at += 1
    if not word:
        raise ValueError("nothing")
    return word, at


def _after(mark: str, text: str, at: int) -> int:
    if text[at] != mark:
        raise ValueError(text[at])
    return at + 1


def _blanks(text: str, at: int) -> int:
    start = at
    while text[at] == " ":
        at += 1
    if at == start:
        raise ValueError("no blank")
    return at


def _field(text: str, at: int) -> tuple[Any, int]:
    if text[at] == '"':
        value = ""
        at += 1
        while text[at : at + 1] != '"':
            if at + 1 >= len(text):
                raise ValueError("no end")
            if text[at] == "\\" and text[at + 1] in '"\\':
                at += 1
            value += text[at]
            at += 1
        return value, at + 1
    end = at
    while text[end] not in '", \\\r\n':
        end += 1
    word = text[at:end]
    if word.lower() in ("t", "true") and word in ("t", "T", "true", "True", "TRUE"):
        return True, end
    if word in ("f", "F", "false", "False", "FALSE"):
        return False, end
    if word[-1:] in ("i", "u") and word[:-1].lstrip("+-").isdigit() and word.isascii():
        return _number(_sign(word) + str(abs(int(word[:-1])))), end
    if not word or set(word) - set("0123456789+-.eE"):
        raise ValueError(word)
    float(word)
    digits, mark, exponent = word.lstrip("+-").replace("E", "e").partition("e")
    whole, _, fraction = digits.partition(".")
    spelled = (whole.lstrip("0") or "0") + ("." + fraction if fraction else "") + mark + exponent
    return _number(_sign(word) + spelled), end


def _sign(word: str) -> str:
    return "-" if word.startswith("-") else ""


def _number(text: str) -> Any:
    from tests.property.reference import Spelled

    return Spelled(text)
