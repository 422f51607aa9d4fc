"""Reads the messages of a raw object: one envelope a line, in an order that is always the same.

The lines of a raw object are in the order of delivery, which differs from one drain to the next.
Messages are put in order of (received_at, message_id, line), so that everything after depends on
what was sent and not on how it came.
"""

from __future__ import annotations

import base64
import binascii
import json
from itertools import compress
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
VALUES = (*TEXTS, "f17")
FIELDS = {f"f{place}": pl.String for place in range(19)}
ARRIVAL = r"^:(?:0|[1-9][0-9]{0,14}),$"
ESCAPED = r"[\x00-\x1f\\]"
"""Control characters, which JSON takes only as escapes, and the escape itself."""
TESTED = 64
"""Payloads tested for UTF-8 at once: one that isn't costs those beside it the slow test."""


def read_envelopes(raw: bytes) -> pl.DataFrame:
    """Messages of a raw object, in their canonical order.

    Columns: ``message_id``, ``topic``, ``client_id`` (text), ``received_at`` (epoch ms),
    ``payload`` (bytes), ``text`` (the payload's text, null where it isn't UTF-8). A line that
    isn't an envelope becomes a message of its own: the line is its payload, and the rest is null.
    Messages that were removed for good are left out.
    """
    frame = _read_in_bulk(raw)
    if frame is None:
        frame = _read_all(raw)
    return frame.with_columns(_as_text(frame["payload"]).alias("text"))


def _read_all(raw: bytes) -> pl.DataFrame:
    """Lines of which one isn't as Extract writes it: only then can one have been removed."""
    kept, forgotten = without_forgotten(raw)
    if forgotten.readings or forgotten.messages:
        frame = _read_in_bulk(kept)
        if frame is not None:
            return frame
    lines = sorted(line for line in kept.split(b"\n") if line.strip())
    return _read_one_by_one(lines).sort("received_at", "message_id", maintain_order=True)


def _read_in_bulk(raw: bytes) -> pl.DataFrame | None:
    """All lines at once, in order, or ``None`` where one of them isn't as Extract writes it.

    They are split at their quotes, as if they were CSV.
    """
    if not raw.startswith(b"{"):
        return None
    try:
        fields = pl.read_csv(
            raw, has_header=False, separator='"', quote_char=None, schema=FIELDS
        ).with_columns(pl.col(*VALUES).fill_null(""))  # so it reads the empty text
        size = fields.select(_size_as_extract_writes()).item() + raw.endswith(b"\n")
        if size != len(raw) or not fields.select(_as_extract_writes()).item():
            return None
        arrival = fields["f14"].str.strip_prefix(":").str.strip_suffix(",").cast(pl.Int64)
        frame = fields.select(
            *(pl.col(name).alias(text) for name, text in TEXTS.items()),
            arrival.alias("received_at"),
            pl.col("f17").alias("payload"),
        )
        # Decoded in order, the payloads lie in memory as they are read from now on.
        return _in_order(frame).with_columns(pl.col("payload").str.decode("base64", strict=True))
    except pl.exceptions.PolarsError:
        return None


def _size_as_extract_writes() -> pl.Expr:
    """Bytes of all lines with what stands between their values, without the last line feed.

    If that is the size of the whole, no line was skipped, and no end of one was more than ``\\n``.
    """
    values = pl.sum_horizontal(
        pl.col(name).str.len_bytes().cast(pl.Int64).sum() for name in (*VALUES, "f14")
    )
    between = sum(map(len, BETWEEN.values())) + len(FIELDS) - 1
    return values + pl.len().cast(pl.Int64) * (between + 1) - 1


def _as_extract_writes() -> pl.Expr:
    tests = [(pl.col(name) == text).all(ignore_nulls=False) for name, text in BETWEEN.items()]
    tests.append(pl.col("f14").str.contains(ARRIVAL).all(ignore_nulls=False))
    # Topics and clients repeat.
    once = (pl.col("f3"), pl.col("f7").unique(), pl.col("f11").unique())
    tests += [~texts.str.contains(ESCAPED).any(ignore_nulls=False) for texts in once]
    return pl.all_horizontal(*tests)


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Lines sorted by arrival and id, and where these are equal by the line itself."""
    order = ["received_at", "message_id"]
    ordered = frame.sort(order)
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in order)
    if not ordered.select(same.any()).item():
        return ordered
    ends = [pl.col("topic") + '"', pl.col("client_id") + '"']
    return frame.sort(*order, *ends, "payload")


def _as_text(values: pl.Series) -> pl.Series:
    """Bytes as text, null where they aren't UTF-8.

    An error doesn't say which bytes it is about. What begins as JSON nearly always is UTF-8, so
    that many are tested at once; the rest is read one by one.
    """
    texts = _all_as_text(values)
    if texts is not None:
        return texts
    likely = values.bin.starts_with(b"{")
    if 2 * int(likely.sum()) < values.len():
        likely |= values.bin.starts_with(b"[")
    begun = values.filter(likely)
    texts = _all_as_text(begun)
    if texts is None:
        some = range(0, begun.len(), TESTED)
        parts = [likely.arg_true().slice(at, TESTED) for at in some]
        odd = [_all_as_text(begun.slice(at, TESTED)) is None for at in some]
        likely = likely.scatter(pl.concat(list(compress(parts, odd))), False)
        texts = values.filter(likely).cast(pl.String)
    return _spread(texts, likely).scatter(
        (~likely).arg_true(), [_text_of(value) for value in values.filter(~likely)]
    )


def _spread(values: pl.Series, places: pl.Series) -> pl.Series:
    """The values at the places of a mask, in order, and null at the others."""
    if not values.len():
        return values.clear(places.len())
    taken = values.gather((places.cast(pl.Int64).cum_sum() - 1).clip(0))
    return pl.select(pl.when(places).then(taken)).to_series()


def _all_as_text(values: pl.Series) -> pl.Series | None:
    try:
        return values.cast(pl.String)
    except pl.exceptions.PolarsError:
        return None


def _text_of(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


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
