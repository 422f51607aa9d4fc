"""Rejects and conflicts, one JSON object a line, with the reasons and what the device sent."""

from __future__ import annotations

import base64
import gzip
import io
import json
from itertools import groupby
from typing import Any

from functions.transform.careful import reading_texts
from functions.transform.clean_batch import CleanBatch, Reject
from functions.transform.formats.payload_decoder import PayloadDecoder, is_decoded
from functions.transform.inflation import inflate
from functions.transform.isolation import OUR_ERRORS, unreadable
from telemetry.contract import Contract

__all__ = ["rejected_lines"]


def rejected_lines(batch: CleanBatch, contract: Contract) -> bytes:
    """All rejects and conflicts, gzip-compressed; the same bytes for the same batch.

    A line stands for one reading, or for as many as its ``readings`` says, where a batch has more
    than are listed one by one. An element of an array comes with its own JSON text. The payload of
    its message stands only in the line of the message's first reject (null in those after): were
    it repeated, a message of many bad readings would grow with the square of their number.
    """
    buffer = io.BytesIO()
    as_json = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps makes an encoder per line
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as file:
        decoder = PayloadDecoder(contract) if is_decoded(contract) else None
        ordered = _in_order(batch)
        places = list(dict.fromkeys(reject.message for reject in ordered))
        messages = batch.messages[places].iter_rows(named=True)
        groups = groupby(ordered, key=lambda reject: reject.message)
        for message, (_, rejects) in zip(messages, groups, strict=True):
            for line in _lines(message, list(rejects), contract, decoder):
                file.write(as_json(line).encode() + b"\n")
    return buffer.getvalue()


def _in_order(batch: CleanBatch) -> list[Reject]:
    if not batch.conflicts:
        return batch.rejects
    found = batch.rejects + batch.conflicts
    return sorted(found, key=lambda reject: (reject.message, reject.index or 0))


def _lines(
    message: dict[str, Any],
    rejects: list[Reject],
    contract: Contract,
    decoder: PayloadDecoder | None,
) -> list[dict[str, Any]]:
    envelope = {name: message[name] for name in ("message_id", "topic", "client_id", "received_at")}
    elements = _elements(message, envelope, rejects, contract, decoder)
    payload: str | None = base64.b64encode(message["payload"]).decode()
    lines = []
    for reject in rejects:
        line = {**envelope, "index": reject.index, "reasons": list(reject.reasons)}
        if reject.index is not None:
            line["reading"] = elements[reject.index] if elements is not None else None
        if reject.readings > 1:
            line["readings"] = reject.readings
        lines.append({**line, "payload": payload})
        payload = None
    return lines


def _elements(
    message: dict[str, Any],
    envelope: dict[str, Any],
    rejects: list[Reject],
    contract: Contract,
    decoder: PayloadDecoder | None,
) -> list[str] | None:
    """Texts of the message's readings as far as needed; ``None`` where our own code raises.

    The payload, which holds them all, is kept whatever happens here.
    """
    if contract.readings is None or all(reject.index is None for reject in rejects):
        return []
    most = 1 + max(reject.index or 0 for reject in rejects)
    text = message["text"]
    try:
        if text is None and contract.compression is not None:
            text = inflate(message["payload"]).decode()
        if decoder is not None:
            text = decoder.document(message["payload"], text, envelope).text
        return reading_texts(text, contract, most)
    except OUR_ERRORS as error:
        unreadable(error, message["message_id"])
        return None
