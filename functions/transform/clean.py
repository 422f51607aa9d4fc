"""The core of Transform: a raw micro-batch in, clean rows and accounted rejects out. Pure.

::

    lines ─▶ messages, in an order of their own        envelopes
          ─▶ raw values, one per source and reading    readings, bulk, careful
          ─▶ typed columns, reasons to reject          columns, values, timestamps
          ─▶ one row per key, in key order             one_row_per_key

Messages are worked through in runs of a few MiB, so that what is large while it is being taken
apart (JSON trees, raw texts) never exists for more than one run at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import polars as pl

from functions.transform.clean_batch import ORDER, PLACE, CleanBatch, Reject, listed
from functions.transform.columns import clean_columns, rejections
from functions.transform.envelopes import read_envelopes
from functions.transform.extraction_plan import ExtractionPlan, make_plan
from functions.transform.formats.payload_decoder import PayloadDecoder, run_bytes
from functions.transform.inflation import measured
from functions.transform.isolation import Unreadable, isolated
from functions.transform.one_row_per_key import keep_one_row_per_key
from functions.transform.readings import read_readings
from telemetry.contract import Contract
from telemetry.contract.packing import inflates

__all__ = ["clean", "clean_messages", "placed_readings", "read_messages"]

RUN_BYTES = 12 << 20
"""Payload worked on at a time."""
VALUE_BYTES = 12
"""Bytes that a comma counts for: a run of only ``{},`` would hold millions of readings."""


def clean(raw: bytes, contract: Contract, *, bulk: bool = True) -> CleanBatch:
    """Cleans a raw object's lines (not compressed). Takes any bytes; raises nothing of its own.

    ``bulk=False`` has every message read by the careful reader: slower, the same result.
    """
    return clean_messages(read_messages(raw, contract), contract, bulk=bulk)


def read_messages(raw: bytes, contract: Contract) -> pl.DataFrame:
    """Messages of a raw object's lines, numbered in ``m``: see ``envelopes``."""
    messages = read_envelopes(raw).with_row_index("m")
    if not inflates(contract):
        return messages
    decoder = PayloadDecoder(replace(contract, compression=None)) if contract.unpack else None
    return measured(
        messages,
        compressed=contract.compression is not None,
        packed=None if decoder is None else decoder.decoded_bytes,
    )


def clean_messages(
    messages: pl.DataFrame,
    contract: Contract,
    *,
    bulk: bool = True,
    unreadable: Mapping[int, Unreadable] = MappingProxyType({}),
) -> CleanBatch:
    """Cleans the messages of :func:`read_messages`, ``m`` being their rows.

    Those in ``unreadable`` are not read: they are rejects for that reason.
    """
    batch, parts = _read_all(messages, contract, unreadable, bulk=bulk)
    keep_one_row_per_key(contract, batch, parts)
    return batch


def placed_readings(raw: bytes, contract: Contract) -> tuple[CleanBatch, pl.DataFrame]:
    """Every accepted reading of a raw object's lines, several of one key included.

    Columns: the contract's, then :data:`ORDER` (the row of the batch's ``messages``) and
    :data:`PLACE` (the index in the message; null where the message itself is the reading). The
    batch has no rows.
    """
    batch, parts = _read_all(read_messages(raw, contract), contract, {}, bulk=True)
    return batch, pl.concat(parts)


def _read_all(
    messages: pl.DataFrame,
    contract: Contract,
    unreadable: Mapping[int, Unreadable],
    *,
    bulk: bool,
) -> tuple[CleanBatch, list[pl.DataFrame]]:
    """The batch with its counts, and the accepted readings in order of message and index."""
    plan = make_plan(contract)
    batch = CleanBatch(messages, pl.DataFrame())
    batch.faults = {column.name: Counter() for column in contract.columns}
    parts: list[pl.DataFrame] = []
    start = 0
    for m in (*sorted(unreadable), messages.height):
        for run in _runs(messages.slice(start, m - start), contract):
            parts += _clean_isolated(plan, run, batch, bulk=bulk)
        if m in unreadable:
            batch.rejects = listed(batch.rejects, [Reject(m, None, (unreadable[m],))])
        start = m + 1
    # Without a run there are columns all the same, and no rows.
    return batch, parts or [_clean_run(plan, messages.clear(), batch, bulk=False)]


def _clean_isolated(
    plan: ExtractionPlan, run: pl.DataFrame, batch: CleanBatch, *, bulk: bool
) -> list[pl.DataFrame]:
    """Runs :func:`_clean_run` in as many parts as it takes to leave out unreadable messages."""

    def work(messages: pl.DataFrame, bulk: bool) -> tuple[pl.DataFrame, CleanBatch]:
        own = CleanBatch(
            messages, pl.DataFrame(), faults={name: Counter() for name in batch.faults}
        )
        return _clean_run(plan, messages, own, bulk=bulk), own

    parts = []
    for messages, found in isolated(run, work, bulk=bulk):
        if isinstance(found, Unreadable):
            batch.rejects = listed(batch.rejects, [Reject(messages["m"][0], None, (found,))])
        else:
            rows, own = found
            parts.append(rows)
            batch.add(own)
    return parts


def _clean_run(
    plan: ExtractionPlan, run: pl.DataFrame, batch: CleanBatch, *, bulk: bool
) -> pl.DataFrame:
    """Typed columns of the accepted readings of a run, still with their duplicates."""
    parts = [_clean_part(plan, part, batch) for part in read_readings(plan, run, batch, bulk=bulk)]
    batch.rejects.sort(key=lambda reject: (reject.message, reject.index or 0))
    return parts[0] if len(parts) == 1 else pl.concat(parts).sort(ORDER, maintain_order=True)


def _clean_part(plan: ExtractionPlan, readings: pl.DataFrame, batch: CleanBatch) -> pl.DataFrame:
    """Typed columns of the accepted ones of the readings, and the places they came from."""
    columns = clean_columns(plan, readings)
    rejected, reasons = rejections(columns, readings.height)
    for column in columns:
        if column.truncated:
            batch.faults[column.column.name]["truncated"] += column.truncated
        for fault, mask in column.faults.items():
            batch.faults[column.column.name][fault] += int(mask.sum())
    places = (readings["m"].alias(ORDER), readings["index"].alias(PLACE))
    frame = pl.DataFrame([*(column.values for column in columns), *places])
    if not reasons:
        return frame
    found = readings.select("m", "index").filter(rejected).iter_rows()
    batch.rejects += [
        Reject(m, index, causes) for (m, index), causes in zip(found, reasons, strict=True)
    ]
    return frame.filter(~rejected)


def _runs(messages: pl.DataFrame, contract: Contract) -> Iterator[pl.DataFrame]:
    """Slices of about :data:`RUN_BYTES` of payload; an empty one where there are no messages."""
    if not messages.height:
        yield messages
    sizes = run_bytes(messages, contract)
    if "size" in messages.columns:  # what counts is what they are inflated to, to many values
        sizes = pl.select(pl.max_horizontal(sizes, messages["size"] * 4)).to_series()
    values = messages["text"].str.count_matches(",", literal=True).cast(pl.Int64).fill_null(0)
    sizes = pl.select(pl.max_horizontal(sizes, values * VALUE_BYTES)).to_series()
    ends = (sizes.cum_sum() // RUN_BYTES).rle()
    at = 0
    for length in ends.struct.field("len"):
        yield messages.slice(at, length)
        at += length
