"""Turns the raw texts of a reading's sources into one clean, typed value per column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

import polars as pl

from functions.transform.composed_texts import SourceTexts, where
from functions.transform.extraction_plan import RECEIVED, ExtractionPlan
from functions.transform.time_spans import later, span_texts
from functions.transform.values import (
    NUMBER,
    READERS,
    Read,
    is_one_of,
    read_float,
    read_timestamp,
)
from telemetry.contract import Column

__all__ = ["CleanColumn", "clean_columns", "rejections"]

EXACT = Context(prec=400)
WHOLE = re.compile(r"[+-]?[0-9]{1,300}")
CODED = 60
"""Reasons that fit into the bits of one number."""


@dataclass(frozen=True)
class CleanColumn:
    """One column of a run of readings."""

    column: Column
    values: pl.Series
    """Typed values; null where there is none, or none without a fault."""
    faults: dict[str, pl.Series] = field(default_factory=dict)
    """Fault to mask of the readings that have it; a fault that none has is left out."""
    truncated: int = 0
    """Texts that were cut."""

    def rejecting(self) -> dict[str, pl.Series]:
        """Reason to mask, for the faults that cost the reading and not only the value."""
        column = self.column
        found = {} if column.on_invalid == "null" else dict(self.faults)
        if column.required:
            absent = self.values.is_null()
            for mask in self.faults.values():
                absent &= ~mask
            if absent.any():
                found["missing"] = absent
        return {f"{fault}:{column.name}": mask for fault, mask in found.items()}


def clean_columns(plan: ExtractionPlan, frame: pl.DataFrame) -> list[CleanColumn]:
    """All columns of the contract; ``frame`` has a column of raw texts per source of the plan."""
    texts = SourceTexts(plan, frame)
    received = frame[RECEIVED] if RECEIVED in frame.columns else None
    return [_clean_column(column, texts, received) for column in plan.contract.columns]


def rejections(
    columns: Sequence[CleanColumn], height: int
) -> tuple[pl.Series, list[tuple[str, ...]]]:
    """Mask of the readings that are rejected, and for each of those all its reasons, in order.

    Readings with the same reasons share one tuple: a device may send millions of nothing.
    """
    reasons = [item for column in columns for item in column.rejecting().items()]
    rejected = pl.repeat(value=False, n=height, dtype=pl.Boolean, eager=True)
    for _, mask in reasons:
        rejected |= mask
    every: list[tuple[str, ...]] = [()] * int(rejected.sum())
    for start in range(0, len(reasons), CODED):
        some = reasons[start : start + CODED]
        code = pl.repeat(0, height, dtype=pl.UInt64, eager=True)
        for place, (_, mask) in enumerate(some):
            code |= mask.cast(pl.UInt64) * (1 << place)
        codes = code.filter(rejected)
        names = {
            found: tuple(reason for place, (reason, _) in enumerate(some) if found >> place & 1)
            for found in codes.unique()
        }
        every = [
            names[found] if not old else old + names[found]
            for old, found in zip(every, codes, strict=True)
        ]
    return rejected, every


def _clean_column(column: Column, sources: SourceTexts, received: pl.Series | None) -> CleanColumn:
    """One column from the raw texts of its sources, the first that is not missing.

    ``received`` is when each reading's message arrived, in UTC, for columns that are judged by it.
    """
    texts = _first_present(column, [sources.of(source, column) for source in column.sources])
    if column.plus is None:
        read = _read(column, texts, sources, received)
    else:
        spans = span_texts(column.plus, sources, column)
        for span in spans:  # a time that lacks a part is missing
            texts = where(texts, span.is_not_null())
        read = later(read_timestamp(texts, column, received), column.plus, spans)
    values, beyond = read.value, read.beyond
    outside = _outside(values, column)
    if outside is not None:
        beyond = outside if beyond is None else beyond | outside
    unreadable = texts.is_not_null() & read.value.is_null()
    for known in (read.beyond, *read.faults.values()):
        if known is not None:
            unreadable &= ~known
    values, truncated = _cut(values, column)
    masks = {"invalid": unreadable, "out_of_range": beyond, "too_long": _too_long(values, column)}
    masks |= read.faults
    if received is not None:
        masks |= _out_of_time(values, column, received)
    faults = {fault: mask for fault, mask in masks.items() if mask is not None and mask.any()}
    for mask in faults.values():
        values = values.zip_with(~mask, values.clear(values.len()))
    if column.type == "real":  # last, so that a limit of 0.1 isn't held against the single nearest
        values = values.cast(pl.Float32)
    return CleanColumn(column, values.alias(column.name), faults, truncated)


def _read(
    column: Column, texts: pl.Series, sources: SourceTexts, received: pl.Series | None
) -> Read:
    if column.type == "timestamp":
        return read_timestamp(texts, column, received)
    if column.unit_member is not None:
        return read_float(texts, column, sources.first(column.unit_member.sources, column))
    return READERS[column.type](texts, column)


def _first_present(column: Column, raw: Sequence[pl.Series]) -> pl.Series:
    found = _present(column, raw[0])
    for texts in raw[1:]:
        if not found.null_count():
            break
        found = found.zip_with(found.is_not_null(), _present(column, texts))
    return found


def _present(column: Column, texts: pl.Series) -> pl.Series:
    """The texts or values, numbers bare and with a point; null where one means "no value"."""
    if texts.null_count() == texts.len() or column.type == "jsonb":
        return texts
    words, numbers = _markers(column)
    if texts.dtype != pl.String:  # values already
        if not (numbers and texts.dtype.is_numeric()):
            return texts
        missing = is_one_of(texts, numbers).fill_null(value=False)
        return texts.zip_with(~missing, texts.clear(texts.len())) if missing.any() else texts
    trimmed = texts if column.type == "text" else texts.str.strip_chars(" \t\r\n")
    missing = trimmed.is_in(words)
    if column.attached or column.decimal_comma:
        texts = trimmed = _bare(trimmed, column)
    if numbers:
        missing |= is_one_of(trimmed, numbers)
    missing = missing.fill_null(value=False)
    return texts.zip_with(~missing, texts.clear(texts.len())) if missing.any() else texts


def _bare(texts: pl.Series, column: Column) -> pl.Series:
    """The numbers without their unit, and with a decimal point for the comma."""
    if column.attached:
        units = "|".join(re.escape(unit) for unit in column.attached)
        texts = texts.str.replace(rf"[ \t\u{{a0}}\u{{202f}}]*(?:{units})\z", "")
    if column.decimal_comma:
        texts = texts.str.replace(",", ".", literal=True)
    return texts


def _markers(column: Column) -> tuple[list[str], list[float]]:
    """Markers to compare as texts, and those to compare as numbers.

    A text that spells a number is a number, unless the column is a text itself: a device that
    sends ``-999.0`` means the marker ``"-999"``.
    """
    words: list[str] = []
    numbers: list[float] = []
    for marker in column.missing:
        if isinstance(marker, bool):
            words.append("true" if marker else "false")
        elif not isinstance(marker, str):
            numbers.append(marker)
        elif _spells_number(column, marker):
            numbers.append(int(marker) if WHOLE.fullmatch(marker.strip()) else float(marker))
        else:
            words.append(marker if column.type == "text" else marker.strip())
    return words, numbers


def _spells_number(column: Column, marker: str) -> bool:
    return column.type != "text" and NUMBER.fullmatch(marker.strip()) is not None


def _outside(values: pl.Series, column: Column) -> pl.Series | None:
    low, high = column.range
    outside = None
    if low is not None:
        outside = values < _limit(column, low, ROUND_CEILING)
    if high is not None:
        above = values > _limit(column, high, ROUND_FLOOR)
        outside = above if outside is None else outside | above
    return None if outside is None else outside.fill_null(value=False)


def _limit(column: Column, limit: float, towards: str) -> pl.Series | float:
    """The limit to compare with; for a decimal, in its own digits."""
    if column.type != "decimal":
        return limit
    digits = Decimal(1).scaleb(-column.scale)
    exact = Decimal(str(limit)).quantize(digits, towards, EXACT)
    most = Decimal(10**38 - 1).scaleb(-column.scale, EXACT)
    kind = pl.Decimal(38, column.scale)
    return pl.Series([format(max(most.copy_negate(), min(most, exact)), "f")]).cast(kind)


def _cut(values: pl.Series, column: Column) -> tuple[pl.Series, int]:
    """The texts, truncated where the column says so, and how many were."""
    if column.on_too_long != "truncate" or column.max_length is None:
        return values, 0
    long = int((values.str.len_chars() > column.max_length).sum())
    return (values.str.head(column.max_length) if long else values), long


def _too_long(values: pl.Series, column: Column) -> pl.Series | None:
    if column.max_length is None or column.on_too_long == "truncate":
        return None
    return (values.str.len_chars() > column.max_length).fill_null(value=False)


def _out_of_time(
    values: pl.Series, column: Column, received: pl.Series
) -> dict[str, pl.Series | None]:
    """Masks of times too long before or after the arrival, where that is known."""
    found: dict[str, pl.Series | None] = {}
    age = received.cast(pl.Int64) - values.cast(pl.Int64) if _has_tolerance(column) else received
    if column.max_age is not None:
        found["too_old"] = (age > column.max_age).fill_null(value=False)
    if column.max_future is not None:
        found["in_future"] = (age < -column.max_future).fill_null(value=False)
    return found


def _has_tolerance(column: Column) -> bool:
    return column.max_age is not None or column.max_future is not None
