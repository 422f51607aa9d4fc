"""JSON of a message of Protocol Buffers: what the library parsed, by the names in its descriptor.

Whole numbers keep all digits as numbers, and names are those of the ``.proto`` file; the library's
own JSON has neither. A field without presence is always written: a zero isn't sent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from functions.transform.formats.binary import base64_string, float_text

__all__ = ["message_text", "scalar_text", "string_text"]

TIMESTAMP = "google.protobuf.Timestamp"
WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
Text = Callable[[Any], str]


def message_text(message: Any) -> str:
    """The JSON object of a message.

    Raises ``ValueError`` for a text that isn't UTF-8, and that or ``OverflowError`` for a time that
    no calendar has.
    """
    members = []
    for name, field, has_presence, text in _fields(message.DESCRIPTOR):
        if not has_presence or message.HasField(field):
            members.append(f"{name}:{text(getattr(message, field))}")
    return f"{{{','.join(members)}}}"


def scalar_text(message: Any, name: str) -> str:
    """The JSON of the value of one field that is present. Raises ``ValueError``."""
    return _writer_of(message.DESCRIPTOR, name)(getattr(message, name))


def string_text(value: str | bytes) -> str:
    """The JSON of a text; the library has bytes for one that isn't UTF-8, which is refused.

    Raises ``ValueError``.
    """
    if isinstance(value, bytes):
        raise ValueError("not UTF-8")
    return encode_basestring(value)


@lru_cache(maxsize=1024)
def _writer_of(descriptor: Any, name: str) -> Text:
    return _writer(descriptor.fields_by_name[name])


@lru_cache(maxsize=1024)
def _fields(descriptor: Any) -> list[tuple[str, str, bool, Text]]:
    """JSON and name of each field, whether it has presence, and the function that writes it."""
    return [
        (encode_basestring(field.name), field.name, field.has_presence, _writer(field))
        for field in descriptor.fields
    ]


def _writer(field: Any) -> Text:
    if not _is_repeated(field):
        return _value_writer(field)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key = _value_writer(field.message_type.fields_by_name["key"])
        item = _value_writer(field.message_type.fields_by_name["value"])
        return lambda values: _map_text(values, key, item)
    one = _value_writer(field)
    return lambda values: f"[{','.join(map(one, values))}]"


def _is_repeated(field: Any) -> bool:
    """True for a list or a map; older versions of the library know a label instead."""
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == field.LABEL_REPEATED)


def _map_text(values: Any, key: Text, item: Text) -> str:
    """Members in the order of their names: the library has none of its own."""
    members = sorted((_as_name(key(name)), item(values[name])) for name in values)
    return f"{{{','.join(f'{name}:{value}' for name, value in members)}}}"


def _as_name(text: str) -> str:
    return text if text.startswith('"') else f'"{text}"'


def _value_writer(field: Any) -> Text:
    """The function that writes one value of a field."""
    if field.message_type is not None:
        return _message_writer(field.message_type)
    if field.enum_type is not None:
        names = {
            value.number: encode_basestring(value.name)
            for value in reversed(field.enum_type.values)
        }
        return lambda number: names.get(number, str(number))
    if field.type == field.TYPE_BYTES:
        return base64_string
    if field.type == field.TYPE_STRING:
        return string_text
    if field.type == field.TYPE_BOOL:
        return lambda value: "true" if value else "false"
    return float_text if field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT) else str


def _message_writer(descriptor: Any) -> Text:
    if descriptor.full_name == TIMESTAMP:
        return lambda message: encode_basestring(message.ToJsonString())
    if descriptor.full_name in WRAPPERS:
        value = _value_writer(descriptor.fields_by_name["value"])
        return lambda message: value(message.value)
    return message_text
