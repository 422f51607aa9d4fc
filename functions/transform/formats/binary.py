"""Values of binary formats as JSON, by the advice of RFC 8949, section 6.1.

Bytes become base64url without padding, and a key that isn't a text becomes one. What JSON has no
number for (NaN and the infinities) becomes a text, which a column takes for what its contract says.
"""

from __future__ import annotations

import math
import struct
from abc import ABC, abstractmethod
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence

from functions.transform.formats.document import FormatError

__all__ = [
    "MAX_LEVELS",
    "SENML_LABELS",
    "BinaryError",
    "BinaryReader",
    "Taken",
    "base64_string",
    "float_text",
    "object_text",
]

MAX_LEVELS = 100
"""Arrays, maps and tags within each other; a value nested deeper is not accepted."""
SENML_LABELS: Mapping[str, str] = {
    "-1": '"bver"', "-2": '"bn"', "-3": '"bt"', "-4": '"bu"', "-5": '"bv"', "-6": '"bs"',
    "0": '"n"', "1": '"u"', "2": '"v"', "3": '"vs"', "4": '"vb"', "5": '"s"', "6": '"t"',
    "7": '"ut"', "8": '"vd"',
}  # fmt: skip
"""Names of SenML's members by their numbers (RFC 8428, section 6)."""


BREAK = 0xFF
"""Byte that ends an array or map whose length isn't given."""
Taken = tuple[str, int]
"""A JSON text, and the place behind the item it is of."""


class BinaryError(Exception):
    """Raised where bytes break the format or its limits."""


def float_text(value: float) -> str:
    """The shortest JSON number that is this double; a text where there is none."""
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if math.isnan(value) else f'"{"-" if value < 0 else ""}Infinity"'


def base64_string(content: bytes) -> str:
    """The JSON string of bytes."""
    return f'"{urlsafe_b64encode(content).rstrip(b"=").decode()}"'


def object_text(keys: Sequence[str], values: Sequence[str]) -> str:
    """The JSON object of these JSON texts.

    Raises :class:`BinaryError` where two keys are the same, one of which would be lost.
    """
    if len(set(keys)) < len(keys):
        raise BinaryError
    return f"{{{','.join([f'{key}:{value}' for key, value in zip(keys, values, strict=True)])}}}"


class BinaryReader(ABC):
    """The items of a payload, each by its place. A format says what one item is, and what a key.

    Beyond the end of the payload the methods raise ``IndexError`` or ``struct.error``.
    """

    def __init__(self, payload: bytes, labels: Mapping[str, str]) -> None:
        """``labels`` are names for keys that are whole numbers."""
        self._payload, self._labels = payload, labels

    def whole(self, reason: str) -> str:
        """The JSON of exactly one item. Raises :class:`FormatError` with the reason."""
        try:
            text, at = self.item(0, 0)
        except (BinaryError, IndexError, ValueError, struct.error):
            raise FormatError(reason) from None
        if at != len(self._payload):
            raise FormatError(reason)
        return text

    @abstractmethod
    def item(self, at: int, level: int) -> Taken:
        """The item at a place, in so many others."""

    @abstractmethod
    def key(self, at: int, level: int) -> Taken:
        """The key of a map at a place, as a JSON text."""

    def take(self, at: int, size: int) -> bytes:
        """The bytes at a place."""
        if at + size > len(self._payload):
            raise IndexError
        return self._payload[at : at + size]

    def array(self, length: int | None, at: int, level: int) -> Taken:
        """So many items as an array; without a length those up to :data:`BREAK`."""
        items: list[str] = []
        while len(items) != length:
            if length is None and self._payload[at] == BREAK:
                at += 1
                break
            text, at = self.item(at, level)
            items.append(text)
        return f"[{','.join(items)}]", at

    def map(self, length: int | None, at: int, level: int) -> Taken:
        """So many pairs of key and item as an object; without a length those up to a break."""
        keys: list[str] = []
        values: list[str] = []
        while len(keys) != length:
            if length is None and self._payload[at] == BREAK:
                at += 1
                break
            key, at = self.key(at, level)
            value, at = self.item(at, level)
            keys.append(key)
            values.append(value)
        return object_text(keys, values), at
