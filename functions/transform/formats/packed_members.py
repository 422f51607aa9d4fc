"""Members that hold other documents (``unpack``): each is decoded, and stands in its place.

What follows reads the message as if the device had sent it so. A member that can't be decoded makes
its message one reject, ``unpack:`` and the encoding or format that failed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import polars as pl

from functions.transform.careful import holds, parse, value_span
from functions.transform.formats.decoders import FormatDecoders, decoders_of
from functions.transform.formats.document import Document, FormatError
from functions.transform.inflation import TOO_LARGE, InflationError, decompressed
from functions.transform.parts import Number, member
from functions.transform.shapes import places_of_parents
from telemetry.contract import Contract
from telemetry.contract.model import Encoding, MemberPath, PackedMember

__all__ = ["MemberUnpacker", "faults_of_readings"]

NO_ENVELOPE: Mapping[str, Any] = MappingProxyType({})
URL_SAFE = bytes.maketrans(b"-_", b"+/")
BREAKS = b"\r\n"
"""Skipped in base64, as some libraries break lines after 64 or 76 characters. A blank isn't: it may
have been a ``+``."""
BEFORE = r"^([ \t\r\n]*\{[^{}\[\]\\]*?)"
"""Text before the member in bulk: the member is in the outermost object, and in no array."""
CONTENT = r'((?:[^"\\\x00-\x1f]|\\")*)'
"""A string whose only escapes are those of quotes."""
AFTER = r"([^\\]*)$"


class MemberUnpacker:
    """Unpacks the members of one contract's messages."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._members = [(one, decoders_of(one.format, contract)) for one in contract.unpack]
        packed = [one.path for one in contract.unpack]
        self._conditions = [
            condition
            for condition in contract.only
            if condition.source.scope == "message"
            and not any(condition.source.path[: len(path)] == path for path in packed)
        ]

    def unpacked(self, text: str, envelope: Mapping[str, Any]) -> Document:
        """The message with its members unpacked; as it is, where it is of another kind or no JSON.

        A member that is absent, null or no text stays as it is. Raises :class:`FormatError`.
        """
        faults: Mapping[int, str] = {}
        for at, (one, decoders) in enumerate(self._members):
            try:
                message = parse(text)
            except ValueError:
                break
            if not at and not all(holds(condition, message) for condition in self._conditions):
                break
            value = member(message, one.path)
            if not isinstance(value, str) or isinstance(value, Number):
                continue
            document = _document(one, decoders, value, envelope)
            faults = faults_of_readings(self._contract, one.path, document)
            start, end = value_span(text, one.path)
            text = text[:start] + document.text + text[end:]
        return Document(text, faults)

    def in_bulk(self, texts: pl.Series) -> pl.Series:
        """The same of many messages, null for those that aren't plain."""
        for one, decoders in self._members:
            texts = _unpacked_in_bulk(texts, one, decoders)
        return texts


def faults_of_readings(
    contract: Contract, path: MemberPath, document: Document
) -> Mapping[int, str]:
    """Place to reason of the readings that stand for lines which can't be read.

    ``path`` is where the document stands in the message.
    """
    outer = contract.readings if contract.parents is None else contract.parents
    if not document.faults or path != outer or contract.pairs is not None:
        return {}
    if contract.parents is None:
        return document.faults
    places = places_of_parents(contract, parse(document.text))
    return {places[line]: why for line, why in document.faults.items()}


def _document(
    one: PackedMember, decoders: FormatDecoders, value: str, envelope: Mapping[str, Any]
) -> Document:
    try:
        content = _content(one, value)
        return decoders.decode(content if decoders.binary else content.decode(), envelope)
    except UnicodeError:
        raise FormatError("unpack:not_utf8") from None
    except FormatError as error:
        reason = str(error)
        known = reason == TOO_LARGE or reason.startswith(("unpack:", "decoder:"))
        raise FormatError(reason if known else f"unpack:{one.format}") from None


def _content(one: PackedMember, value: str) -> bytes:
    content = value.encode()
    for step in one.encoding:
        content = _decoded(content, step)
    return content


def _from_base64(dense: bytes) -> bytes:
    """The bytes of a text with or without padding. Raises ``binascii.Error``.

    The library would take more padding than the characters need, which only a damaged text has.
    """
    bare = dense.rstrip(b"=")
    padding = -len(bare) % 4
    if len(dense) - len(bare) > padding:
        raise binascii.Error("too much padding")
    return base64.b64decode(bare + b"=" * padding, validate=True)


def _decoded(content: bytes, step: Encoding) -> bytes:
    try:
        if step == "base64":
            return _from_base64(content.translate(URL_SAFE, BREAKS))
        if step == "hex":
            return binascii.unhexlify(b"".join(content.split()))
        return decompressed(content, step, f"unpack:{step}")
    except binascii.Error:
        raise FormatError(f"unpack:{step}") from None
    except InflationError as error:
        raise FormatError(str(error)) from None


def _unpacked_in_bulk(texts: pl.Series, one: PackedMember, decoders: FormatDecoders) -> pl.Series:
    name = one.path[0]
    if len(one.path) > 1 or not _is_plain(str(name)) or one.format == "decoder":
        return texts.clear(texts.len())
    key = f'"{name}"'
    parts = texts.str.extract_groups(
        rf"{BEFORE}{_escaped(key)}[ \t\r\n]*:[ \t\r\n]*\"{CONTENT}\"{AFTER}"
    ).struct
    before, packed, after = (parts.field(str(number)) for number in (1, 2, 3))
    documents = _documents_in_bulk(packed.str.replace_all('\\"', '"', literal=True), one, decoders)
    again = before.str.contains(key, literal=True)  # of members of one name, the first counts
    documents = documents.zip_with(~again.fill_null(value=True), documents.clear(documents.len()))
    return before + key + ":" + documents + after


def _is_plain(name: str) -> bool:
    return name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()


def _escaped(key: str) -> str:
    return key.replace("-", r"\-")


def _documents_in_bulk(packed: pl.Series, one: PackedMember, decoders: FormatDecoders) -> pl.Series:
    """JSON of the members' texts, null for those that are left to the definition."""
    if decoders.decode_in_bulk is None:
        return pl.Series([_text_or_none(one, decoders, value) for value in packed], dtype=pl.String)
    if one.encoding:
        packed = pl.Series([_content_text(one, value) for value in packed], dtype=pl.String)
    return decoders.decode_in_bulk(packed)


def _text_or_none(one: PackedMember, decoders: FormatDecoders, value: str | None) -> str | None:
    try:
        return None if value is None else _document(one, decoders, value, NO_ENVELOPE).text
    except FormatError:
        return None


def _content_text(one: PackedMember, value: str | None) -> str | None:
    try:
        return None if value is None else _content(one, value).decode()
    except (FormatError, UnicodeError):
        return None
