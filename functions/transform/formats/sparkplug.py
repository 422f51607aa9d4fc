"""Sparkplug B: the metrics of one payload, each with its value by its data type.

A birth certificate names each metric and gives it an alias; the messages after it may carry the
alias alone. One message can't tell another's names, so a metric has those that its own message has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from functions.transform.formats.binary import float_text
from functions.transform.formats.document import Document, FormatError, bounded
from functions.transform.formats.protobuf import parsed
from functions.transform.formats.protobuf_text import message_text, scalar_text, string_text
from functions.transform.formats.sparkplug_schema import DATA_TYPES, payload_descriptor

__all__ = ["BINARY", "decode", "payload_class"]

BINARY = True
REASON = "format:sparkplug"
SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
"""Bits of the data types whose negative values are sent as unsigned ones."""
ARRAYS = {
    22: "b", 23: "h", 24: "i", 25: "q", 26: "B", 27: "H", 28: "I", 29: "Q", 30: "f", 31: "d",
    34: "q",
}  # fmt: skip
"""Forms of the elements of arrays of numbers and times, little-endian."""
PLAIN = ("name", "alias", "timestamp", "is_historical", "is_transient", "is_null")


def decode(payload: bytes) -> Document:
    """The JSON of a payload: ``timestamp``, ``seq`` and ``metrics``.

    Raises :class:`FormatError`.
    """
    message = parsed(payload, payload_class(), REASON)
    try:
        members = [
            f'"{name}":{scalar_text(message, name)}'
            for name in ("timestamp", "seq", "uuid", "body")
            if message.HasField(name)
        ]
        metrics = ",".join(map(_metric, message.metrics))
    except (ValueError, struct.error):
        raise FormatError(REASON) from None
    members.append(f'"metrics":[{metrics}]')
    return bounded(f"{{{','.join(members)}}}")


@lru_cache(maxsize=1)
def payload_class() -> Any:
    """The library's class of payloads."""
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(payload_descriptor())


def _metric(metric: Any) -> str:
    members = [f'"{name}":{scalar_text(metric, name)}' for name in PLAIN if metric.HasField(name)]
    if metric.HasField("datatype"):
        name = DATA_TYPES.get(metric.datatype)
        members.append(f'"datatype":{metric.datatype if name is None else encode_basestring(name)}')
    if metric.HasField("properties"):
        members.append(f'"properties":{_properties(metric.properties)}')
    if metric.HasField("metadata"):
        members.append(f'"metadata":{message_text(metric.metadata)}')
    return f"{{{','.join([*members, *_value(metric, metric.datatype)])}}}"


def _value(holder: Any, datatype: int) -> Iterator[str]:
    """The member ``value`` of a metric or property, if it has one."""
    field = holder.WhichOneof("value")
    if holder.is_null or field is None:
        yield '"value":null'
        return
    value = getattr(holder, field)
    if datatype in SIGNED and field in ("int_value", "long_value"):
        yield f'"value":{_signed(value, SIGNED[datatype])}'
    elif field == "bytes_value" and datatype in ARRAYS:
        elements = struct.iter_unpack(f"<{ARRAYS[datatype]}", value)
        yield f'"value":[{",".join(_number(element) for (element,) in elements)}]'
    elif field == "propertyset_value":
        yield f'"value":{_properties(value)}'
    elif field == "propertysets_value":
        yield f'"value":[{",".join(map(_properties, value.propertyset))}]'
    else:
        yield f'"value":{scalar_text(holder, field)}'


def _signed(value: int, bits: int) -> str:
    """A number in two's complement; some clients extend the sign of a short one to 32 bits."""
    value &= (1 << bits) - 1
    return str(value - (1 << bits) if value >> (bits - 1) else value)


def _number(value: float) -> str:
    return float_text(value) if isinstance(value, float) else str(value)


def _properties(properties: Any) -> str:
    """Properties as one object. Raises ``ValueError`` where keys and values don't pair."""
    keys = [string_text(key) for key in properties.keys]
    if len(set(keys)) < len(properties.values):
        raise ValueError("keys and values")
    values = [next(_value(value, value.type)).partition(":")[2] for value in properties.values]
    pairs = zip(keys, values, strict=True)
    return f"{{{','.join(f'{key}:{value}' for key, value in pairs)}}}"
