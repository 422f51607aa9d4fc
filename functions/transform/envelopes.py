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

HEAD = {
    "message_id": pl.String,
    "topic": pl.String,
    "client_id": pl.String,
    "received_at": pl.Int64,
}
ENVELOPE = (*HEAD, "payload")
_TEXT = r'"[^"\\\x00-\x1f]*"'
BEFORE_THE_PAYLOAD = (
    rf'^\{{"message_id": ?{_TEXT}, ?"topic": ?(?:null|{_TEXT}), ?"client_id": ?(?:null|{_TEXT}), ?'
    r'"received_at": ?(?:null|0|[1-9][0-9]{0,14}), ?$'
)
"""A line that begins so can be read in bulk: no escapes, no other members, numbers that fit."""
PAYLOAD = '"payload":'
PARTS, FEW = 16, 32
"""How bytes that aren't all UTF-8 are divided, and until how many are left."""


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
    """All lines at once, or ``None`` where one of them isn't as Extract writes it.

    The payload, most of the line, is not looked at before it is decoded: in base64 it can't hold
    the quotation mark that would end it early.
    """
    text = _as_text(pl.Series(lines, dtype=pl.Binary))
    if not lines or text.null_count():
        return None
    head, rest = text.str.splitn(PAYLOAD, 2).struct.unnest().get_columns()
    rest = rest.str.strip_prefix(" ")
    sound = head.str.contains(BEFORE_THE_PAYLOAD) & (rest.str.len_bytes() > 2)
    sound &= rest.str.starts_with('"') & rest.str.ends_with('"}')
    if not sound.fill_null(value=False).all():
        return None
    inside = rest.str.strip_prefix('"').str.strip_suffix('"}')
    try:
        heads = "\n".join((head.str.strip_chars_end(", ") + "}").to_list())
        frame = pl.read_ndjson(heads.encode(), schema=HEAD)
        payload = inside.str.decode("base64", strict=True)
    except pl.exceptions.PolarsError:
        return None
    return frame.with_columns(payload.alias("payload")) if frame.height == len(lines) else None


def _as_text(values: pl.Series) -> pl.Series:
    """Bytes as text, null where they aren't UTF-8."""
    try:
        return values.cast(pl.String)
    except pl.exceptions.PolarsError:  # it tells that there is one, not which
        if values.len() <= FEW:
            return pl.Series(values.name, [_decoded(value) for value in values], dtype=pl.String)
    size = -(-values.len() // PARTS)
    parts = [_as_text(values.slice(start, size)) for start in range(0, values.len(), size)]
    return pl.concat(parts)


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _read_one_by_one(lines: list[bytes]) -> pl.DataFrame:
    schema = {**HEAD, "payload": pl.Binary}
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
