"""The bodies of a batch's objects: made of all its messages, or without those that raise an error.

One message that our own code can't write costs the others nothing: see ``isolation``. Only if
that happens, the messages are cleaned and written again in parts, to find those that raise alone.
"""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import polars as pl

from functions.transform.clean import clean, clean_messages, read_messages
from functions.transform.clean_batch import CleanBatch, Reject
from functions.transform.copy import copy_csv, copy_groups
from functions.transform.envelopes import read_envelopes
from functions.transform.isolation import OUR_ERRORS, Unreadable, is_isolated, isolated
from functions.transform.places import copy_tail
from functions.transform.rejects import rejected_lines
from functions.transform.report import describe
from telemetry.checksums import Checksum, RunningChecksum
from telemetry.contract import Contract
from telemetry.logs import log
from telemetry.tracing import step

__all__ = ["Bodies", "clean_bodies", "rejected_bodies"]


class Bodies(NamedTuple):
    """Contents of the objects that Transform writes, but for the report."""

    copy: bytes
    """The rows for COPY, and their places in the order of arrival."""
    lines: Checksum
    """Checksum of the rows alone."""
    whole: Checksum
    """Checksum of all of it."""
    groups: bytes | None
    """``None`` where the key has no timestamp."""
    parquet: bytes
    rejects: bytes
    description: dict[str, Any]
    """The counts of the report."""


def clean_bodies(raw: bytes, contract: Contract) -> tuple[pl.DataFrame, Bodies]:
    """The rows of a raw object's lines, and the bodies. Raises what no message is the cause of."""
    try:
        return _made(raw, contract, {})
    except OUR_ERRORS as error:
        if not is_isolated(error):
            raise
        log.error("Writing all messages failed: each that fails alone is left out", exc_info=error)
        unreadable = _unreadable(read_messages(raw, contract), contract)
        if not unreadable:
            raise
    return _made(raw, contract, unreadable)


def rejected_bodies(raw: bytes, contract: Contract, reason: str) -> tuple[pl.DataFrame, Bodies]:
    """No rows, and the bodies of a batch of which every message is a reject for that reason."""
    batch = clean(b"", contract)
    batch.messages = read_envelopes(raw).with_row_index("m")
    batch.rejects = [Reject(m, None, (reason,)) for m in range(batch.messages.height)]
    return batch.rows, _bodies(batch, contract)


def _made(
    raw: bytes, contract: Contract, unreadable: dict[int, Unreadable]
) -> tuple[pl.DataFrame, Bodies]:
    with step("clean"):
        batch = clean_messages(read_messages(raw, contract), contract, unreadable=unreadable)
    with step("write"):
        return batch.rows, _bodies(batch, contract)


def _bodies(batch: CleanBatch, contract: Contract) -> Bodies:
    csv = copy_csv(batch.rows)
    counted = RunningChecksum(csv)
    lines = counted.value
    tail = copy_tail(batch, lines, contract)
    counted.add(tail)
    parquet = io.BytesIO()
    batch.rows.write_parquet(parquet, compression="zstd")
    return Bodies(
        csv + tail,
        lines,
        counted.value,
        copy_groups(batch.rows, csv, contract),
        parquet.getvalue(),
        rejected_lines(batch, contract),
        describe(batch, contract),
    )


def _unreadable(messages: pl.DataFrame, contract: Contract) -> dict[int, Unreadable]:
    """Messages on which cleaning and writing raises if they are alone, and the reasons."""

    def work(some: pl.DataFrame, bulk: bool) -> None:
        alone = some.drop("m").with_row_index("m")  # a batch of their own
        _bodies(clean_messages(alone, contract, bulk=bulk), contract)

    found = isolated(messages, work, bulk=False)
    return {part["m"][0]: why for part, why in found if isinstance(why, Unreadable)}
