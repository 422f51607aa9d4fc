"""MessagePack to JSON text, in one pass over the bytes, as :mod:`cbor` does it and for its reasons.

The format is that of https://github.com/msgpack/msgpack/blob/master/spec.md (read 2026-11).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring

from functions.transform.formats.binary import (
    MAX_LEVELS,
    BinaryError,
    BinaryReader,
    Taken,
    base64_string,
    float_text,
)
from functions.transform.formats.by_library import message_pack_text
from functions.transform.formats.document import Document, bounded

__all__ = ["BINARY", "by_definition", "decode"]

BINARY = True
REASON = "format:msgpack"
CONSTANTS = {0xC0: "null", 0xC2: "false", 0xC3: "true"}
FLOATS = {0xCA: (struct.Struct(">f"), 4), 0xCB: (struct.Struct(">d"), 8)}
WHOLE = {
    0xCC: (1, False), 0xCD: (2, False), 0xCE: (4, False), 0xCF: (8, False),
    0xD0: (1, True), 0xD1: (2, True), 0xD2: (4, True), 0xD3: (8, True),
}  # fmt: skip
"""Bytes of whole numbers, and whether they have a sign."""
TEXT, BYTES, EXTENSION, ARRAY, MAP = "text", "bytes", "extension", "array", "map"
SIZED = {
    0xD9: (TEXT, 1), 0xDA: (TEXT, 2), 0xDB: (TEXT, 4), 0xC4: (BYTES, 1), 0xC5: (BYTES, 2),
    0xC6: (BYTES, 4), 0xC7: (EXTENSION, 1), 0xC8: (EXTENSION, 2), 0xC9: (EXTENSION, 4),
    0xDC: (ARRAY, 2), 0xDD: (ARRAY, 4), 0xDE: (MAP, 2), 0xDF: (MAP, 4),
}  # fmt: skip
"""Kinds of values with a size, and how many bytes the size has."""
TIMESTAMP = 0xFF
"""The extension -1."""


def decode(payload: bytes, labels: Mapping[str, str]) -> Document:
    """The JSON of exactly one value; ``labels`` are names for keys that are whole numbers.

    Raises ``FormatError``.
    """
    text = message_pack_text(payload)
    return bounded(by_definition(payload, labels) if text is None else text)


def by_definition(payload: bytes, labels: Mapping[str, str]) -> str:
    """The JSON of a payload, without a library. Raises ``FormatError``."""
    return _Values(payload, labels).whole(REASON)


class _Values(BinaryReader):
    """The values of a payload of MessagePack."""

    def item(self, at: int, level: int) -> Taken:
        """The value at a place, in so many others."""
        head = self._payload[at]
        at += 1
        if head < 0x80 or head >= 0xE0:
            return str(head if head < 0x80 else head - 256), at
        if head in CONSTANTS:
            return CONSTANTS[head], at
        if head in FLOATS:
            form, size = FLOATS[head]
            return float_text(form.unpack_from(self._payload, at)[0]), at + size
        if head in WHOLE:
            size, signed = WHOLE[head]
            return str(int.from_bytes(self.take(at, size), signed=signed)), at + size
        return self._sized(head, at, level)

    def _sized(self, head: int, at: int, level: int) -> Taken:
        kind, size, at = self._kind(head, at)
        if kind in (ARRAY, MAP):
            if level >= MAX_LEVELS:
                raise BinaryError
            inside = self.map if kind == MAP else self.array
            return inside(size, at, level + 1)
        if kind == EXTENSION:
            code, content = self.take(at, 1)[0], self.take(at + 1, size)
            text = _timestamp(content) if code == TIMESTAMP else base64_string(content)
            return text, at + 1 + size
        content = self.take(at, size)
        text = encode_basestring(content.decode()) if kind == TEXT else base64_string(content)
        return text, at + size

    def _kind(self, head: int, at: int) -> tuple[str, int, int]:
        """The kind of a value, its size, and the place behind both."""
        if head < 0xC0:
            if head >= 0xA0:
                return TEXT, head & 31, at
            return MAP if head < 0x90 else ARRAY, head & 15, at
        if 0xD4 <= head <= 0xD8:
            return EXTENSION, 1 << (head - 0xD4), at
        if head not in SIZED:
            raise BinaryError
        kind, width = SIZED[head]
        return kind, int.from_bytes(self.take(at, width)), at + width

    def key(self, at: int, level: int) -> Taken:
        text, at = self.item(at, level)
        if text[0] in "[{":
            raise BinaryError
        if text[0] == '"':
            return text, at
        return self._labels.get(text, f'"{text}"'), at


def _timestamp(content: bytes) -> str:
    """Seconds since 1970 as a number with all its digits."""
    if len(content) == 4:
        return str(int.from_bytes(content))
    if len(content) == 8:
        both = int.from_bytes(content)
        nanoseconds, seconds = both >> 34, both & (1 << 34) - 1
    elif len(content) == 12:
        nanoseconds = int.from_bytes(content[:4])
        seconds = int.from_bytes(content[4:], signed=True)
    else:
        raise BinaryError
    if nanoseconds >= 10**9:
        raise BinaryError
    return format(Decimal(seconds * 10**9 + nanoseconds).scaleb(-9), "f")
