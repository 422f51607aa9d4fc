"""The result of decoding a payload, and the errors and limits that all formats share."""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring as json_string
from types import MappingProxyType
from typing import NamedTuple

from functions.transform.inflation import PAYLOAD_BYTES, TOO_LARGE

__all__ = ["BLANK", "Document", "FormatError", "array_of", "bounded", "json_string"]

BLANK = " \t\r\n"
NO_FAULTS: Mapping[int, str] = MappingProxyType({})


class FormatError(Exception):
    """Raised where a payload can't be decoded; the argument is the reason of the reject."""


class Document(NamedTuple):
    """A payload as JSON."""

    text: str
    faults: Mapping[int, str] = NO_FAULTS
    """Index to reason of the elements that stand for lines that can't be read."""


def bounded(text: str) -> Document:
    """The document of this text.

    Raises :class:`FormatError` where it has more characters than a payload may have bytes.
    """
    if len(text) > PAYLOAD_BYTES:
        raise FormatError(TOO_LARGE)
    return Document(text)


def array_of(elements: list[str], faults: dict[int, str]) -> Document:
    """The JSON array of these JSON texts.

    Raises :class:`FormatError` where it has more bytes than an inflated payload may have.
    """
    if sum(map(len, elements)) > PAYLOAD_BYTES:
        raise FormatError(TOO_LARGE)
    return Document(f"[{','.join(elements)}]", faults)
