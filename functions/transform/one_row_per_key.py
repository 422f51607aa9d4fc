"""Keeps one row of each key: the one that the contract's ``on_conflict`` asks for.

Load applies the same policies to rows of different batches
(:mod:`functions.load.conflict_policies`).
"""

from __future__ import annotations

import polars as pl

from functions.transform.clean_batch import (
    INDEX,
    MESSAGE,
    ORDER,
    PLACE,
    ROW,
    CleanBatch,
    Reject,
    listed,
)
from functions.transform.timestamps import looked_up
from telemetry.contract import Contract

__all__ = ["keep_one_row_per_key"]

NUMBER = " n"
"""Frame column of a key as a number; no column of a contract is called so."""
LARGEST = 2**63
LATER = (ROW, "column", MESSAGE, INDEX)
CONFLICT = ("conflict",)
"""Reasons of a reading that another one of the same key, with other values, is kept before."""


def keep_one_row_per_key(contract: Contract, batch: CleanBatch, parts: list[pl.DataFrame]) -> None:
    """Sets the rows, and counts apart the readings that repeat a row and those that conflict.

    The parts are in order of (received_at, message_id, index) and the sort keeps that order among
    equal keys, so the first or the last of each is the one the contract asks for. Load
    applies the same policies to rows of different batches (``functions.load.conflict_policies``).
    """
    frame = _in_key_order(contract, pl.concat(parts))
    by = -1 if contract.on_conflict == "keep_last" else 1
    same = frame.select(
        pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(by)) for name in contract.key)
    ).to_series()
    # Beyond the edge a shift gives null, which equals no key: keys are never null.
    kept = frame.filter(~same)
    batch.rows, batch.places = kept.drop(ORDER, PLACE), kept.select(*_place())
    batch.later_values = pl.DataFrame(schema=dict.fromkeys(LATER, pl.UInt32))
    if frame.height:
        ends = frame.select(first=pl.col(ORDER).min(), last=pl.col(ORDER).max()).row(0)
        first, last = (batch.messages["received_at"][m] for m in ends)
        batch.arrivals = (first, last)
    if batch.rows.height == frame.height:
        return
    if contract.on_conflict == "fill_missing":
        values = pl.exclude(contract.key).drop_nulls().first()
        filled = frame.drop(ORDER, PLACE).group_by(contract.key, maintain_order=True).agg(values)
        batch.rows = filled.select(batch.rows.columns)
        batch.later_values = _later_values(contract, frame, same, batch.rows.columns)
    before = (~same).cum_sum()
    others, row = frame.filter(same), (before if by == -1 else before - 1).filter(same)
    differs = _differs(contract, others, batch.rows, row)
    lost = others.filter(differs).select(ORDER, PLACE)
    batch.duplicates = others.height - lost.height
    if not lost.height:
        return
    places = lost.sort(ORDER, PLACE).iter_rows()
    batch.conflicts = listed([], [Reject(m, index, CONFLICT) for m, index in places])
    kept = kept.select(ORDER, PLACE)
    (message, index), first = kept.row(row.filter(differs)[0]), lost.row(0)
    batch.conflicting_pair = Reject(message, index, ()), Reject(first[0], first[1], CONFLICT)


def _place() -> tuple[pl.Expr, pl.Expr]:
    """Message and index of a reading, as numbers without a null."""
    index = (pl.col(PLACE) + 1).fill_null(0).cast(pl.UInt32)
    return pl.col(ORDER).cast(pl.UInt32).alias(MESSAGE), index.alias(INDEX)


def _later_values(
    contract: Contract, frame: pl.DataFrame, same: pl.Series, columns: list[str]
) -> pl.DataFrame:
    """The values of merged rows that are not their first reading's; :attr:`CleanBatch.later_values`
    describes the columns."""
    several = same | same.shift(-1, fill_value=False)
    row = ((~same).cum_sum() - 1).cast(pl.UInt32).alias(ROW)
    readings = frame.with_columns(row).filter(several)
    firsts = readings.group_by(ROW, maintain_order=True).agg(pl.struct(*_place()).first())
    firsts = firsts.rename({firsts.columns[1]: "first"})
    parts = []
    for number, name in enumerate(columns):
        if name in contract.key:
            continue
        with_value = readings.filter(pl.col(name).is_not_null())
        found = with_value.group_by(ROW, maintain_order=True).agg(pl.struct(*_place()).first())
        found = found.rename({found.columns[1]: "place"}).join(firsts, on=ROW)
        later = found.filter(pl.col("place") != pl.col("first")).unnest("place")
        parts.append(later.with_columns(pl.lit(number, dtype=pl.UInt32).alias("column")))
    return (
        pl.concat([part.select(LATER) for part in parts])
        if parts
        else pl.DataFrame(schema=dict.fromkeys(LATER, pl.UInt32))
    )


def _differs(
    contract: Contract, others: pl.DataFrame, rows: pl.DataFrame, row: pl.Series
) -> pl.Series:
    """Mask of the readings that say something else than the row of their key, whose place is
    ``row``."""
    masks = []
    for name in contract.compared:
        mask = others[name].ne_missing(rows[name].gather(row))
        if contract.on_conflict == "fill_missing":  # no value contradicts none
            mask &= others[name].is_not_null()
        masks.append(mask.alias(name))
    if not masks:
        return pl.repeat(value=False, n=others.height, dtype=pl.Boolean, eager=True)
    return pl.DataFrame(masks).select(pl.any_horizontal(pl.all())).to_series()


def _in_key_order(contract: Contract, frame: pl.DataFrame) -> pl.DataFrame:
    """Sorted by the key, and for ``keep_greatest`` with the greatest of each key first."""
    if contract.greatest is None:
        number = _key_as_number(contract, frame)
        if number is None:
            return frame.sort(contract.key, maintain_order=True)
        return frame.with_columns(number).sort(NUMBER, maintain_order=True).drop(NUMBER)
    down = [*[False] * len(contract.key), True]
    by = [*contract.key, contract.greatest]
    return frame.sort(by, descending=down, nulls_last=True, maintain_order=True)


def _key_as_number(contract: Contract, frame: pl.DataFrame) -> pl.Series | None:
    """A number for each row that sorts as its key does; ``None`` where that would gain nothing.

    One column of numbers sorts in a tenth of the time of a text and a time. Texts are numbered in
    their order, if they repeat.
    """
    number, size = pl.repeat(0, frame.height, dtype=pl.Int64, eager=True), 1
    for values in frame.select(contract.key).get_columns():
        if values.dtype == pl.String:
            once = values.unique().sort()
            if 2 * once.len() > values.len():
                return None
            ranks = pl.int_range(once.len(), dtype=pl.Int64, eager=True)
            place, low, high = looked_up(values, once, ranks), 0, once.len() - 1
        elif values.dtype.is_integer() or isinstance(values.dtype, pl.Datetime):
            place = values.cast(pl.Int64)
            low, high = place.min() or 0, place.max() or 0  # type: ignore[assignment]
        else:
            return None
        size *= high - low + 1
        if size >= LARGEST:
            return None
        number = number * (high - low + 1) + (place - low)
    return number.alias(NUMBER)
