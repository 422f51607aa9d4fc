"""From a raw object's lines to messages: one envelope a line, in an order that is always the same.

The lines of a raw object lie in the order of delivery, which differs from one drain to the next.
Messages are put in order of (received_at, message_id, line), so that everything after depends on
what was sent and not on how it came.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import polars as pl

__all__ = ["read_envelopes"]

ENVELOPE = {
    "message_id": pl.String,
    "topic": pl.String,
    "client_id": pl.String,
    "received_at": pl.Int64,
    "payload": pl.String,
}
_TEXT = r'"[^"\\\x00-\x1f]*"'
AS_EXTRACT_WRITES = (
    rf'^\{{"message_id": ?{_TEXT}, ?"topic": ?(?:null|{_TEXT}), ?"client_id": ?(?:null|{_TEXT}), ?'
    r'"received_at": ?(?:null|0|[1-9][0-9]{0,14}), ?"payload": ?"[A-Za-z0-9+/]*={0,2}"\}$'
)
"""A line in this form can be read in bulk: no escapes, no other members, numbers that fit."""


def read_envelopes(raw: bytes) -> pl.DataFrame:
    """Messages of a raw object, in their canonical order.

    Columns: ``message_id``, ``topic``, ``client_id`` (text), ``received_at`` (epoch ms),
    ``payload`` (bytes), ``text`` (the payload's text, null where it isn't UTF-8). A line that is
    no envelope becomes a message of its own, with the line as its payload and nulls elsewhere.
    """
    lines = sorted(line for line in raw.split(b"\n") if line.strip())
    bulk = _read_in_bulk(lines)
    frame = bulk if bulk is not None else _read_one_by_one(lines)
    frame = frame.sort("received_at", "message_id", maintain_order=True)
    return frame.with_columns(_as_text(frame["payload"]).alias("text"))


def _read_in_bulk(lines: list[bytes]) -> pl.DataFrame | None:
    """All lines at once, or ``None`` where one of them isn't as Extract writes it."""
    text = _as_text(pl.Series(lines, dtype=pl.Binary))
    if not lines or not text.str.contains(AS_EXTRACT_WRITES).fill_null(False).all():
        return None
    try:
        frame = pl.read_ndjson(b"\n".join(lines), schema=ENVELOPE)
        payload = frame["payload"].str.decode("base64", strict=True)
    except pl.exceptions.PolarsError:
        return None
    return frame.with_columns(payload) if frame.height == len(lines) else None


def _as_text(values: pl.Series) -> pl.Series:
    """Bytes as text, null where they aren't UTF-8."""
    try:
        return values.cast(pl.String)
    except pl.exceptions.PolarsError:  # it tells that there is one, not which
        return pl.Series([_decoded(value) for value in values], dtype=pl.String)


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _read_one_by_one(lines: list[bytes]) -> pl.DataFrame:
    schema = {**ENVELOPE, "payload": pl.Binary}
    return pl.DataFrame([_envelope(line) for line in lines], schema=schema, orient="row")


def _envelope(line: bytes) -> tuple[Any, ...]:
    """The five members of one line; those of a line that is no envelope."""
    try:
        value = json.loads(line.decode())
        values = tuple(value[name] for name in ENVELOPE)
        payload = base64.b64decode(values[-1], validate=True)
        if len(value) == len(ENVELOPE) and _is_sound(*values[:-1]):
            return (*values[:-1], payload)
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        pass
    return (None, None, None, None, line)


def _is_sound(message_id: Any, topic: Any, client_id: Any, received_at: Any) -> bool:
    for text in (message_id, topic, client_id):
        if not isinstance(text, str | None):
            return False
        (text or "").encode()  # a lone surrogate raises
    whole = type(received_at) is int and -(2**63) <= received_at < 2**63
    return message_id is not None and (received_at is None or whole)
