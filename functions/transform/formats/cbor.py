"""CBOR (RFC 8949) to JSON text, in one pass over the bytes.

This is the definition. Plain payloads are left to a library, which agrees (:mod:`by_library`); its
objects of tags, some of which compile expressions or refer to each other, are never made.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from json.encoder import encode_basestring

from functions.transform.formats.binary import (
    BREAK,
    MAX_LEVELS,
    BinaryError,
    BinaryReader,
    Taken,
    base64_string,
    float_text,
)
from functions.transform.formats.by_library import cbor_text
from functions.transform.formats.document import Document, bounded

__all__ = ["BINARY", "by_definition", "decode"]

BINARY = True
REASON = "format:cbor"
UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG = range(7)
"""Major types; the last one has floats and simple values."""
SHORT_TEXT, LONGER_TEXT = 0x60, 0x78
"""First bytes of texts of 0 bytes, and of the first one whose length stands in more than a byte."""
MOST_NAMES = 1000
"""Names of members whose JSON is kept while a payload is read."""
SIMPLE = {20: "false", 21: "true", 22: "null", 23: "null"}
"""Texts of simple values; ``undefined`` is null as well."""
ONE_BYTE = {
    **{number: str(number) for number in range(24)},
    **{0x20 + number: str(-1 - number) for number in range(24)},
    **{0xE0 + number: text for number, text in SIMPLE.items()},
}
"""Texts of the items of one byte."""
FLOATS = {25: (struct.Struct(">e"), 2), 26: (struct.Struct(">f"), 4), 27: (struct.Struct(">d"), 8)}
BIGNUM, NEGATIVE_BIGNUM, DECIMAL, STRING_REFERENCE, REFERENCE = 2, 3, 4, 25, 29


def decode(payload: bytes, labels: Mapping[str, str]) -> Document:
    """The JSON of exactly one item; ``labels`` are names for keys that are whole numbers.

    Raises ``FormatError``.
    """
    text = cbor_text(payload)
    return bounded(by_definition(payload, labels) if text is None else text)


def by_definition(payload: bytes, labels: Mapping[str, str]) -> str:
    """The JSON of a payload, without a library. Raises ``FormatError``."""
    return _Items(payload, labels).whole(REASON)


class _Items(BinaryReader):
    """The items of a payload of CBOR."""

    def __init__(self, payload: bytes, labels: Mapping[str, str]) -> None:
        super().__init__(payload, labels)
        self._names: dict[bytes, str] = {}

    def item(self, at: int, level: int) -> Taken:
        """The item at a place, in so many others."""
        head = self._payload[at]
        if head in ONE_BYTE:
            return ONE_BYTE[head], at + 1
        kind, info = head >> 5, head & 31
        if kind > TAG:
            return self._simple(info, at + 1)
        number, at = (info, at + 1) if info < 24 else self._number(info, at + 1)
        if kind in (TEXT, BYTES):
            content, at = self._string(kind, number, at)
            text = encode_basestring(content.decode()) if kind == TEXT else base64_string(content)
            return text, at
        if kind in (UNSIGNED, NEGATIVE):
            if number is None:
                raise BinaryError
            return str(number if kind == UNSIGNED else -1 - number), at
        return self._nested(kind, number, at, level)

    def _nested(self, kind: int, number: int | None, at: int, level: int) -> Taken:
        """An item that has others in it: a map, an array or a tag."""
        if level >= MAX_LEVELS:
            raise BinaryError
        if kind == MAP:
            return self.map(number, at, level + 1)
        if kind == ARRAY:
            return self.array(number, at, level + 1)
        return self._tagged(number, at, level + 1)

    def _number(self, info: int, at: int) -> tuple[int | None, int]:
        """The argument of a head in the bytes behind it; ``None`` for an indefinite length."""
        if info == 31:
            return None, at
        if info > 27:
            raise BinaryError
        size = 1 << (info - 24)
        return int.from_bytes(self.take(at, size)), at + size

    def _string(self, kind: int, length: int | None, at: int) -> tuple[bytes, int]:
        if length is not None:
            return self.take(at, length), at + length
        chunks = []
        while self._payload[at] != BREAK:
            head = self._payload[at]
            if head >> 5 != kind or head & 31 == 31:
                raise BinaryError
            info = head & 31
            number, at = (info, at + 1) if info < 24 else self._number(info, at + 1)
            chunk, at = self._string(kind, number, at)
            if kind == TEXT:
                chunk.decode()  # each chunk is a text of its own
            chunks.append(chunk)
        return b"".join(chunks), at + 1

    def key(self, at: int, level: int) -> Taken:
        head = self._payload[at]
        if SHORT_TEXT <= head < LONGER_TEXT:
            end = at + 1 + head - SHORT_TEXT
            name = self._payload[at:end]
            text = self._names.get(name)
            if text is None:
                text, end = self.item(at, level)
                if len(self._names) < MOST_NAMES:
                    self._names[name] = text
            return text, end
        kind = head >> 5
        if kind in (ARRAY, MAP, TAG):
            raise BinaryError
        text, at = self.item(at, level)
        if text.startswith('"'):
            return text, at
        return self._labels.get(text, f'"{text}"') if kind <= NEGATIVE else f'"{text}"', at

    def _tagged(self, tag: int | None, at: int, level: int) -> Taken:
        """The item within a tag, by the tags that change what it is."""
        if tag is None or tag in (STRING_REFERENCE, REFERENCE):
            raise BinaryError
        kind = self._payload[at] >> 5
        if tag in (BIGNUM, NEGATIVE_BIGNUM) and kind == BYTES:
            info = self._payload[at] & 31
            length, at = (info, at + 1) if info < 24 else self._number(info, at + 1)
            content, at = self._string(kind, length, at)
            number = int.from_bytes(content)
            return str(number if tag == BIGNUM else -1 - number), at
        text, end = self.item(at, level)
        if tag == DECIMAL and kind == ARRAY:
            exponent, _, mantissa = text[1:-1].partition(",")
            return f"{int(mantissa)}e{int(exponent)}", end
        return text, end

    def _simple(self, info: int, at: int) -> Taken:
        if info not in FLOATS:
            raise BinaryError
        form, size = FLOATS[info]
        return float_text(form.unpack_from(self._payload, at)[0]), at + size
