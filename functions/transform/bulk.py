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

SLICE_CHARACTERS = 1 << 18
"""Text decoded at once: the decoder slows down sevenfold once its tape outgrows the cache."""
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
        plain = messages["text"].str.contains(r"^[ \t\r\n]*\{") & ~messages["text"].str.contains(
            self._plan.unusual
        )
        left = [messages["m"].filter(~plain)]
        parts = []
        for part in _slices(messages.filter(plain)):
            for numbers, documents in self._attempt(part):
                if documents is None:
                    left.append(numbers)
                else:
                    parts.append(self._readings(numbers, documents))
        readings = pl.concat([part for part, _ in parts]) if parts else self._nothing()
        return Decoded(readings, sum(empty for _, empty in parts), pl.concat(left))

    def _attempt(self, part: pl.DataFrame) -> Iterator[tuple[pl.Series, pl.Series | None]]:
        documents = self._documents(part)
        if documents is not None or part.height <= SMALLEST:
            yield part["m"], documents
            return
        for smaller in part.iter_slices(-(-part.height // SPLIT)):
            yield from self._attempt(smaller)

    def _documents(self, part: pl.DataFrame) -> pl.Series | None:
        """The messages as structs, or ``None`` where they can't all be decoded."""
        number = pl.col("m").cast(pl.String)
        array = pl.concat_str(
            pl.lit(f'[{{"{self._mark}":"'), number, pl.lit('"},'), "text", pl.lit("]")
        )
        try:
            rows = part.select(array).to_series().str.json_decode(self._type)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None
        if rows.len() != part.height or not (rows.list.len() == 2).all():
            return None
        pairs = rows.explode()
        marks = pairs.gather_every(2).struct.field(self._mark)
        if marks.null_count() or not (marks == part["m"].cast(pl.String)).all():
            return None
        documents = pairs.gather_every(2, offset=1)
        return None if documents.null_count() else documents

    def _readings(self, m: pl.Series, documents: pl.Series) -> tuple[pl.DataFrame, int]:
        """One row per reading, and the number of messages without one."""
        plan = self._plan
        frame = pl.DataFrame([m, documents.alias("d")])
        outer = [_at("d", path).alias(name) for name, path in plan.of_scope("message").items()]
        inner = plan.of_scope("reading")
        alone = [_at("d", path).alias(name) for name, path in inner.items()]
        if plan.contract.readings is None:
            return self._whole(frame, [*outer, *alone]), 0
        array = _at("d", plan.contract.readings)
        frame = frame.with_columns(array.alias("r"))
        whole = self._whole(frame.filter(pl.col("r").is_null()), [*outer, *alone])
        lists = frame.filter(pl.col("r").is_not_null())
        size = pl.col("r").list.len()
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


def _slices(messages: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Runs of messages of about :data:`SLICE_CHARACTERS` each."""
    ends = (messages["text"].str.len_bytes().cum_sum() // SLICE_CHARACTERS).rle()
    at = 0
    for length in ends.struct.field("len"):
        yield messages.slice(at, length)
        at += length
