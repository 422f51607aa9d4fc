"""Decodes the payloads of a run to the JSON texts that its readings are taken from.

A format has a decoder of one payload, which is its definition, and may have one of many texts at a
time, which takes those that it is certain of. What the bulk reader can't make readings of after
that is decoded again by the definition, so that the result is always that of the definition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import polars as pl

from functions.transform.clean_batch import Reject
from functions.transform.formats.decoders import decoders_of
from functions.transform.formats.document import Document, FormatError
from functions.transform.formats.own_decoder import ENVELOPE
from functions.transform.formats.packed_members import MemberUnpacker, faults_of_readings
from functions.transform.inflation import inflate
from functions.transform.isolation import OUR_ERRORS, unreadable
from telemetry.contract import Contract

__all__ = ["PayloadDecoder", "is_decoded", "run_bytes"]

NO_ENVELOPE: Mapping[str, Any] = MappingProxyType({})
RUN_TEXT_BYTES = 64 << 20
"""Text that the messages of a run may come to together, before the run is halved."""
VALUE_BYTES = 12
"""Bytes of text that a byte of a binary payload may come to; most are a few values of one byte."""

PACKED_BYTES = 4
"""Bytes that a byte of a packed member may come to: its values can't be counted beforehand."""

NAME_BYTES = 32
"""Bytes of text that a byte of a delimited line may come to, with its name from the header."""


class RunTooLargeError(Exception):
    """Raised where a run's payloads come to more text than is held at a time: it is halved."""


class PayloadDecoder:
    """Decodes payloads by the format of one contract, and unpacks members of them."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._format = decoders_of(contract.format, contract)
        self._unpacker = MemberUnpacker(contract) if contract.unpack else None
        self._compressed = contract.compression is not None
        self.rejects: list[Reject] = []
        """Messages that can't be decoded."""
        self._faults: dict[tuple[int, int | None], str] = {}

    def in_bulk(self, messages: pl.DataFrame) -> pl.DataFrame:
        """Messages that could be decoded many at a time, with their JSON as ``text``."""
        if self._contract.format == "json":
            texts = messages["text"]
        elif self._format.decode_in_bulk is None:
            return messages.clear()
        else:
            texts = self._format.decode_in_bulk(messages["text"])
        if self._unpacker is not None:
            texts = self._unpacker.in_bulk(texts)
        decoded = messages.with_columns(texts.alias("text"))
        return decoded.filter(pl.col("text").is_not_null())

    def one_by_one(self, messages: pl.DataFrame) -> pl.DataFrame:
        """Messages that could be decoded, with their JSON as ``text``; the others are rejects."""
        texts: list[str | None] = []
        size = 0
        asked = messages.select("m", "payload", "text", *ENVELOPE)
        for m, payload, text, *members in asked.iter_rows():
            envelope = dict(zip(ENVELOPE, members, strict=True))
            try:
                document = self.document(payload, text, envelope)
            except FormatError as error:
                self.rejects.append(Reject(m, None, (str(error),)))
                texts.append(None)
                continue
            except OUR_ERRORS as error:
                self.rejects.append(Reject(m, None, (unreadable(error, envelope["message_id"]),)))
                texts.append(None)
                continue
            self._faults |= {(m, index): why for index, why in document.faults.items()}
            texts.append(document.text)
            size += len(document.text)
            if size > RUN_TEXT_BYTES and messages.height > 1:
                raise RunTooLargeError
        decoded = messages.with_columns(pl.Series("text", texts, pl.String))
        return decoded.filter(pl.col("text").is_not_null())

    def document(
        self, payload: bytes, text: str | None, envelope: Mapping[str, Any] = NO_ENVELOPE
    ) -> Document:
        """The document of one payload; ``text`` is that of its bytes, null where it has none.

        Raises :class:`FormatError`.
        """
        document = self._outer(payload, text, envelope)
        if self._unpacker is not None:
            return self._unpacker.unpacked(document.text, envelope)
        faults = faults_of_readings(self._contract, (), document)
        return Document(document.text, faults)

    def _outer(self, payload: bytes, text: str | None, envelope: Mapping[str, Any]) -> Document:
        """The payload itself by its format, with its members as they were sent."""
        if self._format.binary:
            payload = inflate(payload) if self._compressed else payload
            return self._format.decode(payload, envelope)
        if text is None:
            raise FormatError("not_utf8")
        if self._contract.format == "json":
            return Document(text)  # whether it is JSON is for its reader to find
        return self._format.decode(text, envelope)

    def decoded_bytes(self, content: bytes) -> int:
        """Bytes that an inflated payload comes to as JSON; 0 where it can't be decoded."""
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = None
        try:
            return len(self.document(content, text).text)
        except (FormatError, *OUR_ERRORS):  # which is found and reported when it is read
            return 0

    def with_reasons(self, rejects: Sequence[Reject]) -> list[Reject]:
        """The rejects, those of lines that can't be read with the reason for that."""
        if not self._faults:
            return list(rejects)
        return [
            reject
            if (why := self._faults.get((reject.message, reject.index))) is None
            else Reject(reject.message, reject.index, (why,))
            for reject in rejects
        ]


def is_decoded(contract: Contract) -> bool:
    """True if what is read is not the payload as it was sent."""
    return contract.format != "json" or bool(contract.unpack)


def run_bytes(messages: pl.DataFrame, contract: Contract) -> pl.Series:
    """Bytes that each message may come to, by which the messages that are read at once are limited.

    ``size`` is what payloads are inflated to.
    """
    sizes = messages["payload"].bin.size().cast(pl.Int64)
    if not is_decoded(contract):
        return sizes
    measured = "size" in messages.columns
    sizes = messages["size"].fill_null(0) if measured else sizes
    formats = contract.formats
    if any(decoders_of(name, contract).binary for name in formats):
        return sizes * VALUE_BYTES
    if "csv" not in formats or contract.fields:
        return sizes * PACKED_BYTES if contract.unpack else sizes
    if measured or contract.unpack:  # whose header isn't known yet
        return sizes * NAME_BYTES
    lines = messages["text"].str.count_matches("\n", literal=True).cast(pl.Int64)
    header = messages["text"].str.find("\n", literal=True).cast(pl.Int64)
    return sizes + (lines * header).fill_null(0)
