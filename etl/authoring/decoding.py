"""Payloads of a sample as the JSON that Transform reads them as, for the formats of a contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from etl.authoring.members import ARRIVED
from etl.authoring.samples import Message, Sample
from functions.transform.formats.document import FormatError
from functions.transform.formats.payload_decoder import PayloadDecoder
from telemetry.contract import Contract
from telemetry.contract.model import Format

__all__ = ["INFERRED_FORMATS", "decoded_messages", "decoded_sample"]

NEED_MORE: tuple[Format, ...] = ("protobuf", "decoder")
INFERRED_FORMATS: tuple[Format, ...] = tuple(
    name for name in get_args(Format) if name not in NEED_MORE
)
"""Formats that a payload can be decoded by without a file beside the contract."""


def decoded_sample(sample: Sample, name: Format) -> Sample:
    """The sample with payloads of JSON; one that can't be decoded is empty."""
    if name == "json":
        return sample
    contract = Contract("sample", "sample", "sample", "sample", (), (), format=name)
    return replace(sample, messages=tuple(decoded_messages(sample.messages, contract)))


def decoded_messages(messages: Sequence[Message], contract: Contract) -> list[Message]:
    """The messages, not compressed, with payloads of JSON; one that can't be decoded is empty."""
    decoder = PayloadDecoder(replace(contract, compression=None))
    return [replace(message, payload=_as_json(decoder, message)) for message in messages]


def _as_json(decoder: PayloadDecoder, message: Message) -> bytes:
    """The JSON of a message's payload; empty where it can't be decoded, which is a reject."""
    envelope = {
        "message_id": message.message_id,
        "topic": message.topic,
        "client_id": message.client_id,
        "received_at": message.received_at or ARRIVED,
    }
    try:
        text = message.payload.decode()
    except UnicodeDecodeError:
        text = None
    try:
        return decoder.document(message.payload, text, envelope).text.encode()
    except FormatError:
        return b""
