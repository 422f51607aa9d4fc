"""The bulk decoder: many messages at once, by polars, where that provably gives the same result.

polars decodes a column of JSON by joining its rows with commas into one array. Alone, that lets a
message reach into its neighbours: ``{"a":[{}`` and ``{}]}`` would become one valid object. So each
message travels in an array of two, behind an object with a mark that no device can know::

    [{"<mark>":"17"},<message>]

If as many rows come back as went in, each with two elements and the mark and number it was sent
with, then each row starts where its array starts and ends before the next one starts: what stands
after the mark is exactly one JSON value. If not, or if a value is of another type than the plan
has, the messages are halved and halved again until the few that are left go to the careful reader.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from functions.transform.plan import Plan

__all__ = ["BulkDecoder", "Decoded"]

SLICE_BYTES = 1 << 18
"""Text decoded at once: the decoder slows down sevenfold once its tape outgrows the cache."""
BEGINS_AS_OBJECT = r"^[ \t\r\n]*\{"
ENDS_AS_OBJECT = r"\}[ \t\r\n]*$"
"""Torn messages lack it; testing that is cheaper than a failed attempt."""
SPLIT = 8
SMALLEST = 4
"""A slice of this many messages that can't be decoded is not split further."""


class Decoded(NamedTuple):
    """What could be decoded, and what is left to the careful reader."""

    readings: pl.DataFrame
    """``m`` (message), ``index``, ``object`` (whether it is one), and the raw texts of the plan."""
    empty: int
    """Messages whose array is empty."""
    left: pl.Series
    """Numbers of the messages that were not decoded."""


class BulkDecoder:
    """Decodes messages for one plan whose ``document`` is not ``None``."""

    def __init__(self, plan: Plan) -> None:
        assert plan.document is not None  # noqa: S101 - the caller's choice of reader
        self._plan = plan
        self._mark = secrets.token_hex(8)
        mark = pl.Field(self._mark, pl.String)
        self._type = pl.List(pl.Struct([mark, *plan.document.fields]))

    def decode(self, messages: pl.DataFrame) -> Decoded:
        """Decodes the messages of a frame with the columns ``m`` and ``text`` (no nulls)."""
        texts = messages["text"]
        plain = texts.str.contains(BEGINS_AS_OBJECT) & texts.str.contains(ENDS_AS_OBJECT)
        plain &= ~texts.str.contains(self._plan.unusual)
        tried = messages.filter(plain)
        places, pairs = self._pairs(tried)
        documents = self._documents(pairs, tried["m"].gather(places))
        if documents is None:
            return Decoded(self._nothing(), 0, messages["m"])
        readings, empty = self._readings(documents)
        return Decoded(
            readings, empty, messages["m"].filter(~messages["m"].is_in(documents["m"].implode()))
        )

    def _pairs(self, messages: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
        """Rows of ``messages`` that could be decoded, and for each its mark and its document."""
        number = pl.col("m").cast(pl.String)
        begin, end = pl.lit(f'[{{"{self._mark}":"'), pl.lit("]")
        arrays = messages.select(
            pl.concat_str(begin, number, pl.lit('"},'), "text", end)
        ).to_series()
        pairs, places = [pl.Series(dtype=self._type)], [pl.Series(dtype=pl.UInt32)]
        for at, length in _slices(arrays):
            for start, rows in self._attempt(arrays.slice(at, length), at):
                pairs.append(rows)
                places.append(pl.int_range(start, start + rows.len(), dtype=pl.UInt32, eager=True))
        return pl.concat(places), pl.concat(pairs)

    def _attempt(self, arrays: pl.Series, at: int) -> Iterator[tuple[int, pl.Series]]:
        """Decodes a slice whose first row is ``at``, or what can be decoded of its parts."""
        try:
            rows = arrays.str.json_decode(self._type)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            rows = None
        if rows is not None and rows.len() == arrays.len():
            yield at, rows
        elif arrays.len() > SMALLEST:
            size = -(-arrays.len() // SPLIT)
            for start in range(0, arrays.len(), size):
                yield from self._attempt(arrays.slice(start, size), at + start)

    def _documents(self, pairs: pl.Series, m: pl.Series) -> pl.DataFrame | None:
        """``m`` and ``d``, the decoded messages; ``None`` where one reached into another."""
        if not (pairs.list.len() == 2).all():
            return None
        rows = pairs.explode()
        marks = rows.gather_every(2).struct.field(self._mark)
        if not marks.eq_missing(m.cast(pl.String)).all():
            return None
        return pl.DataFrame([m, rows.gather_every(2, offset=1).alias("d")])

    def _readings(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """One row per reading, and the number of messages without one."""
        plan = self._plan
        outer = [_at("d", path).alias(name) for name, path in plan.of_scope("message").items()]
        inner = plan.of_scope("reading")
        alone = [_at("d", path).alias(name) for name, path in inner.items()]
        if plan.contract.readings is None:
            return self._whole(frame, [*outer, *alone]), 0
        frame = frame.with_columns(_at("d", plan.contract.readings).alias("r"))
        whole = self._whole(frame.filter(pl.col("r").is_null()), [*outer, *alone])
        size = pl.col("r").list.len()
        lists = frame.filter(pl.col("r").is_not_null())
        filled = lists.select(
            "m", "r", pl.int_ranges(0, size, dtype=pl.Int64).alias("index"), *outer
        ).filter(size > 0)
        elements = filled.explode("r", "index").select(
            "m",
            "index",
            pl.col("r").is_not_null().alias("object"),
            *plan.of_scope("message"),
            *[_at("r", path).alias(name) for name, path in inner.items()],
        )
        return pl.concat([whole, elements]), lists.height - filled.height

    def _whole(self, frame: pl.DataFrame, values: list[pl.Expr]) -> pl.DataFrame:
        """Messages that are one reading each."""
        return frame.select(
            "m",
            pl.lit(None, dtype=pl.Int64).alias("index"),
            pl.lit(value=True).alias("object"),
            *values,
        )

    def _nothing(self) -> pl.DataFrame:
        names = [*self._plan.of_scope("message"), *self._plan.of_scope("reading")]
        return pl.DataFrame(
            schema={"m": pl.UInt32, "index": pl.Int64, "object": pl.Boolean}
            | dict.fromkeys(names, pl.String)
        )


def _at(column: str, path: tuple[str, ...]) -> pl.Expr:
    expression = pl.col(column)
    for name in path:
        expression = expression.struct.field(name)
    return expression


def _slices(texts: pl.Series) -> Iterator[tuple[int, int]]:
    """Start and length of runs of texts of about :data:`SLICE_BYTES` each."""
    at = 0
    for length in (texts.str.len_bytes().cum_sum() // SLICE_BYTES).rle().struct.field("len"):
        yield at, length
        at += length
