"""Decodes the payloads of a run to the JSON texts that its readings are taken from.

A format has a decoder of one payload, which is its definition, and may have one of many texts at a
time, which takes those that it is certain of. What the bulk reader can't make readings of after
that is decoded again by the definition, so that the result is always that of the definition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Any

import polars as pl

from functions.transform.clean_batch import Reject
from functions.transform.formats.binary import SENML_LABELS
from functions.transform.formats.document import Document, FormatError
from functions.transform.formats.own_decoder import ENVELOPE, own_decoder
from functions.transform.inflation import inflate
from functions.transform.isolation import OUR_ERRORS, unreadable
from telemetry.contract import Contract

__all__ = ["PayloadDecoder", "run_bytes"]

NO_ENVELOPE: Mapping[str, Any] = MappingProxyType({})
RUN_TEXT_BYTES = 64 << 20
"""Text that the messages of a run may come to together, before the run is halved."""
VALUE_BYTES = 12
"""Bytes of text that a byte of a binary payload may come to; most are a few values of one byte."""

NAME_BYTES = 32
"""Bytes of text that a byte of a delimited line may come to, with its name from the header."""


@dataclass(frozen=True)
class Format:
    """The decoders of one format."""

    decode: Callable[..., Document]
    """Decodes one payload: its text, or its bytes where the format is binary."""
    decode_in_bulk: Callable[[pl.Series], pl.Series] | None = None
    """Decodes many texts; the result is null for those that it leaves to ``decode``."""
    binary: bool = False
    takes_envelope: bool = False
    """True if ``decode`` takes the message's envelope as well."""


def _format_of(contract: Contract) -> Format:
    """The format of a contract, whose module is imported only where a contract asks for it."""
    if contract.format == "decoder":
        return Format(own_decoder(contract).decode, binary=True, takes_envelope=True)
    module = import_module(f"functions.transform.formats.{MODULES[contract.format]}")
    options: dict[str, Any] = {}
    if contract.format == "csv":
        options = {"delimiter": contract.delimiter, "header": not contract.fields}
    if contract.format in ("cbor", "msgpack"):
        options = {"labels": SENML_LABELS if contract.shape == "senml" else {}}
    if contract.format == "protobuf":
        options = {"message_type": module.message_class(contract)}
    in_bulk = getattr(module, "decode_in_bulk", None)
    return Format(
        partial(module.decode, **options),
        None if in_bulk is None else partial(in_bulk, **options),
        getattr(module, "BINARY", False),
    )


BINARY = ("cbor", "msgpack", "sparkplug", "protobuf", "decoder")
MODULES = {
    "ndjson": "ndjson", "csv": "delimited", "value": "bare_value", "influx": "influx",
    "cbor": "cbor", "msgpack": "message_pack", "protobuf": "protobuf", "sparkplug": "sparkplug",
}  # fmt: skip


class RunTooLargeError(Exception):
    """Raised where a run's payloads come to more text than is held at a time: it is halved."""


class PayloadDecoder:
    """Decodes payloads by the format of one contract."""

    def __init__(self, contract: Contract) -> None:
        self._format = _format_of(contract)
        self._compressed = contract.compression is not None
        self.rejects: list[Reject] = []
        """Messages that can't be decoded."""
        self._faults: dict[tuple[int, int | None], str] = {}

    def in_bulk(self, messages: pl.DataFrame) -> pl.DataFrame:
        """Messages that could be decoded many at a time, with their JSON as ``text``."""
        if self._format.decode_in_bulk is None:
            return messages.clear()
        texts = self._format.decode_in_bulk(messages["text"]).alias("text")
        return messages.with_columns(texts).filter(pl.col("text").is_not_null())

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
        if self._format.binary:
            payload = inflate(payload) if self._compressed else payload
            if self._format.takes_envelope:
                return self._format.decode(payload, envelope)
            return self._format.decode(payload)
        if text is None:
            raise FormatError("not_utf8")
        return self._format.decode(text)

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


def run_bytes(messages: pl.DataFrame, contract: Contract) -> pl.Series:
    """Bytes that each message may come to, by which the messages that are read at once are limited.

    ``size`` is what compressed payloads are inflated to.
    """
    sizes = messages["payload"].bin.size().cast(pl.Int64)
    if contract.format == "json":
        return sizes
    compressed = "size" in messages.columns
    sizes = messages["size"].fill_null(0) if compressed else sizes
    if contract.format in BINARY:
        return sizes * VALUE_BYTES
    if contract.format != "csv" or contract.fields:
        return sizes
    if compressed:  # whose header isn't known yet
        return sizes * NAME_BYTES
    lines = messages["text"].str.count_matches("\n", literal=True).cast(pl.Int64)
    header = messages["text"].str.find("\n", literal=True).cast(pl.Int64)
    return sizes + (lines * header).fill_null(0)
