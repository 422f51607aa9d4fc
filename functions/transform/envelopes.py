"""Reads the messages of a raw object: one envelope a line, in an order that is always the same.

The lines of a raw object are in the order of delivery, which differs from one drain to the next.
Messages are put in order of (received_at, message_id, line), so that everything after depends on
what was sent and not on how it came.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import polars as pl

from telemetry.forgotten import without_forgotten

__all__ = ["parse_envelope", "read_envelopes"]

HEAD = {
    "message_id": pl.String,
    "topic": pl.String,
    "client_id": pl.String,
    "received_at": pl.Int64,
}
ENVELOPE = (*HEAD, "payload")
BETWEEN = {
    "f0": "{", "f1": "message_id", "f2": ":", "f4": ",", "f5": "topic", "f6": ":", "f8": ",",
    "f9": "client_id", "f10": ":", "f12": ",", "f13": "received_at", "f15": "payload",
    "f16": ":", "f18": "}",
}  # fmt: skip
"""Texts between the quotes of a line as Extract writes it, except its five values.

Where all of it is there, and no backslash, a line is what it seems: no escapes, no other members.
"""
TEXTS = {"f3": "message_id", "f7": "topic", "f11": "client_id"}
FIELDS = {f"f{place}": pl.String for place in range(19)}
ARRIVAL = r"^:(?:0|[1-9][0-9]{0,14}),$"
CONTROL = r"[\x00-\x1f]"


def read_envelopes(raw: bytes) -> pl.DataFrame:
    """Messages of a raw object, in their canonical order.

    Columns: ``message_id``, ``topic``, ``client_id`` (text), ``received_at`` (epoch ms),
    ``payload`` (bytes), ``text`` (the payload's text, null where it isn't UTF-8). A line that
    isn't an envelope becomes a message of its own: the line is its payload, and the rest is null.
    Messages that were removed for good are left out.
    """
    raw, _ = without_forgotten(raw)
    frame = _read_in_bulk(raw)
    if frame is None:
        lines = sorted(line for line in raw.split(b"\n") if line.strip())
        frame = _read_one_by_one(lines).sort("received_at", "message_id", maintain_order=True)
    return frame.with_columns(_as_text(frame["payload"]).alias("text"))


def _read_in_bulk(raw: bytes) -> pl.DataFrame | None:
    """All lines at once, in order, or ``None`` where one of them isn't as Extract writes it.

    They are split at their quotes, as if they were CSV.
    """
    if not raw.startswith(b"{") or b"\\" in raw or b"\r" in raw:
        return None
    try:
        fields = pl.read_csv(
            raw, has_header=False, separator='"', quote_char=None, schema=FIELDS
        ).with_columns(pl.col(*TEXTS, "f17").fill_null(""))  # so it reads the empty text
        if fields.height != raw.count(b"\n") + (not raw.endswith(b"\n")):
            return None
        if not fields.select(_as_extract_writes()).item():
            return None
        payload = fields["f17"].str.decode("base64", strict=True)
    except pl.exceptions.PolarsError:
        return None
    arrival = fields["f14"].str.strip_prefix(":").str.strip_suffix(",").cast(pl.Int64)
    frame = fields.select(pl.col(name).alias(text) for name, text in TEXTS.items())
    frame = frame.with_columns(arrival.alias("received_at"), payload.alias("payload"))
    return _in_order(frame, fields["f17"])


def _as_extract_writes() -> pl.Expr:
    tests = [pl.col(name) == text for name, text in BETWEEN.items()]
    tests.append(pl.col("f14").str.contains(ARRIVAL))
    tests += [~pl.col(name).str.contains(CONTROL) for name in TEXTS]
    return pl.all_horizontal(*(test.all(ignore_nulls=False) for test in tests))


def _in_order(frame: pl.DataFrame, encoded: pl.Series) -> pl.DataFrame:
    """Lines sorted by arrival and id, and where these are equal by the line itself."""
    order = ["received_at", "message_id"]
    ordered = frame.sort(order)
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in order)
    if not ordered.select(same.any()).item():
        return ordered
    ends = [pl.col("topic") + '"', pl.col("client_id") + '"']
    with_line = frame.with_columns(encoded.alias("line"))
    return with_line.sort(*order, *ends, "line").drop("line")


def _as_text(values: pl.Series) -> pl.Series:
    """Bytes as text, null where they aren't UTF-8."""
    try:
        return values.cast(pl.String)
    except pl.exceptions.PolarsError:  # the error doesn't say which line it is
        sound = pl.Series([_is_text(value) for value in values.to_list()], dtype=pl.Boolean)
        return values.zip_with(sound, values.clear(values.len())).cast(pl.String)


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read_one_by_one(lines: list[bytes]) -> pl.DataFrame:
    schema = {**HEAD, "payload": pl.Binary}
    return pl.DataFrame([parse_envelope(line) for line in lines], schema=schema, orient="row")


def parse_envelope(line: bytes) -> tuple[Any, ...]:
    """The five members of one line, or those for a line that isn't an envelope."""
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
