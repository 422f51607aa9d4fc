"""Payloads that devices send compressed (``compression = "gzip"``), within bounds. Pure.

A few bytes of gzip may stand for a thousand times as many (a zip bomb), so nothing is inflated
beyond a limit, and of a batch no more than Transform holds anyway. What can't be inflated is a
reject that keeps the bytes as they were sent, and no other message pays for it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Literal

import polars as pl

__all__ = [
    "BATCH_BYTES",
    "NOT_GZIP",
    "PAYLOAD_BYTES",
    "TOO_LARGE",
    "InflationError",
    "decompressed",
    "inflate",
    "measured",
    "opened",
]

PAYLOAD_BYTES = 4 << 20
"""Inflated, of one payload. AWS IoT takes 128 KB a message, so this is 32 times what was sent;
batches of readings shrink to a tenth or a fifteenth."""
BATCH_BYTES = 64 << 20
"""Inflated, of all payloads of a batch: as many bytes as a batch of plain ones has at most. Where
they are more, the largest are rejected until the others fit: a bomb costs no other device."""

NOT_GZIP, TOO_LARGE = "not_gzip", "too_large"
CONTAINERS = {"gzip": 31, "zlib": 15}
"""zlib's codes of the containers."""
SIGNATURE = b"\x1f\x8b"
"""First bytes of gzip. No UTF-8 text has them, so they mark a compressed payload."""


class InflationError(Exception):
    """Raised where a payload can't be inflated; the argument is the reason of the reject."""


def inflate(payload: bytes) -> bytes:
    """The inflated payload, or the payload itself where it isn't compressed.

    Raises :class:`InflationError`: ``not_gzip`` where the stream is corrupt, ends too early or is
    followed by anything, ``too_large`` beyond :data:`PAYLOAD_BYTES`.
    """
    if not payload.startswith(SIGNATURE):
        return payload
    return decompressed(payload, "gzip", NOT_GZIP)


def decompressed(content: bytes, container: Literal["gzip", "zlib"], reason: str) -> bytes:
    """The content of exactly one stream, of at most :data:`PAYLOAD_BYTES`.

    Raises :class:`InflationError`: ``reason`` where it isn't one, ``too_large``.
    """
    inflater = zlib.decompressobj(CONTAINERS[container])
    try:
        inflated = inflater.decompress(content, PAYLOAD_BYTES + 1)
    except zlib.error:
        raise InflationError(reason) from None
    if len(inflated) > PAYLOAD_BYTES:
        raise InflationError(TOO_LARGE)
    if not inflater.eof or inflater.unused_data:
        raise InflationError(reason)
    return inflated


def measured(
    messages: pl.DataFrame, *, compressed: bool, packed: Callable[[bytes], int] | None = None
) -> pl.DataFrame:
    """The messages with their ``size`` inflated, in bytes, and the ``fault`` of those without.

    ``packed`` measures what is packed in an inflated payload. Nothing inflated is kept: it comes
    back run by run, with :func:`opened` and as members are unpacked.
    """
    found = [_measure(payload, compressed, packed) for payload in messages["payload"]]
    sizes = _within(BATCH_BYTES, [size for size, _ in found])
    faults = [
        fault or (TOO_LARGE if size is None else None)
        for size, (_, fault) in zip(sizes, found, strict=True)
    ]
    return messages.with_columns(
        pl.Series("size", sizes, pl.Int64), pl.Series("fault", faults, pl.String)
    )


def opened(messages: pl.DataFrame) -> pl.DataFrame:
    """Messages without a fault, inflated: with their ``text`` (null where it isn't UTF-8)."""
    columns = messages.select("payload", "text").iter_rows()
    texts = [_text(*row) for row in columns]
    return messages.with_columns(pl.Series("text", texts, pl.String))


def _measure(
    payload: bytes, compressed: bool, packed: Callable[[bytes], int] | None
) -> tuple[int, str | None]:
    try:
        content = inflate(payload) if compressed else payload
    except InflationError as error:
        return 0, str(error)
    return len(content) + (0 if packed is None else packed(content)), None


def _within(most: int, sizes: list[int]) -> list[int | None]:
    """The sizes, the largest of them ``None`` until the others come to no more than ``most``."""
    kept: list[int | None] = list(sizes)
    total = sum(sizes)
    for place in sorted(range(len(sizes)), key=lambda place: (-sizes[place], place)):
        if total <= most:
            break
        total, kept[place] = total - sizes[place], None
    return kept


def _text(payload: bytes, text: str | None) -> str | None:
    if text is not None or not payload.startswith(SIGNATURE):
        return text
    try:
        return inflate(payload).decode()
    except UnicodeDecodeError:
        return None
