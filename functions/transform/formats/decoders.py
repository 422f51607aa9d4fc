"""The decoders of each format, whose modules are imported only where a contract asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import polars as pl

from functions.transform.formats.binary import SENML_LABELS
from functions.transform.formats.document import Document
from functions.transform.formats.own_decoder import own_decoder
from telemetry.contract import Contract
from telemetry.contract.model import Format

__all__ = ["FormatDecoders", "decoders_of"]

MODULES: dict[Format, str] = {
    "json": "json_document", "ndjson": "ndjson", "csv": "delimited", "value": "bare_value",
    "influx": "influx", "cbor": "cbor", "msgpack": "message_pack", "protobuf": "protobuf",
    "sparkplug": "sparkplug",
}  # fmt: skip


@dataclass(frozen=True)
class FormatDecoders:
    """The decoders of one format."""

    decode: Callable[[Any, Mapping[str, Any]], Document]
    """Decodes one payload, its text, or its bytes where the format is binary, with the message's
    envelope."""
    decode_in_bulk: Callable[[pl.Series], pl.Series] | None = None
    """Decodes many texts; the result is null for those that it leaves to ``decode``."""
    binary: bool = False


def decoders_of(name: Format, contract: Contract) -> FormatDecoders:
    """The decoders of a format, as a contract has it."""
    if name == "decoder":
        return FormatDecoders(own_decoder(contract).decode, binary=True)
    module = import_module(f"functions.transform.formats.{MODULES[name]}")
    options: dict[str, Any] = {}
    if name == "csv":
        options = {"delimiter": contract.delimiter, "header": not contract.fields}
    if name in ("cbor", "msgpack"):
        options = {"labels": SENML_LABELS if contract.shape == "senml" else {}}
    if name == "protobuf":
        options = {"message_type": module.message_class(contract)}
    in_bulk = getattr(module, "decode_in_bulk", None)
    return FormatDecoders(
        _without_envelope(partial(module.decode, **options)),
        None if in_bulk is None else partial(in_bulk, **options),
        getattr(module, "BINARY", False),
    )


def _without_envelope(decode: Callable[[Any], Document]) -> Callable[..., Document]:
    def decoded(payload: Any, _envelope: Mapping[str, Any]) -> Document:
        return decode(payload)

    return decoded
