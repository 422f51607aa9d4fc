"""Marks that prove that the bulk decoder read each message as one JSON value, whatever they hold.

polars decodes a column of JSON by joining its rows with commas into one array. Alone, that lets a
message reach into its neighbours: ``{"a":[{}`` and ``{}]}`` would become one valid object. So each
message is sent with a mark that no device can know. An object has it as its first member::

    {"<mark>":true,"ts":...}

An object with a mark can't begin but where a message begins. If as many rows come back as went in,
and each has a mark, then each message begins a row, and what stands before the next one is that
row alone: another value would be another row.

A message that is an array travels in an array of two, behind an array of the same kind::

    [[{"<mark>":"17"}],<message>]

If as many rows come back as went in, each with two elements and the mark that it was sent with,
then each row starts where its array starts and ends before the next one starts: what stands after
the mark is exactly one JSON value.
"""

from __future__ import annotations

import secrets

import polars as pl

__all__ = ["MarkedArrays", "MarkedObjects"]

SPACE = " \t\r\n"


class MarkedObjects:
    """Messages that are objects, each with a mark as its first member."""

    begin = r'^[ \t\r\n]*\{[ \t\r\n]*"'
    """An empty object has no member to put the mark before."""
    end = r"\}[ \t\r\n]*$"

    def __init__(self, document: pl.Struct) -> None:
        self._mark = secrets.token_hex(8)
        self._begin = pl.lit(f'{{"{self._mark}":true,')
        self.type = pl.Struct([pl.Field(self._mark, pl.Boolean), *document.fields])

    def marked(self, messages: pl.DataFrame) -> pl.Series:
        """The texts to decode, of a frame with the columns ``m`` and ``text``."""
        texts = messages["text"]
        if not texts.str.starts_with("{").all():
            texts = texts.str.strip_chars_start(SPACE)
        members = texts.str.slice(1).alias("members").to_frame()
        return members.select(pl.concat_str(self._begin, "members")).to_series()

    def documents(self, rows: pl.Series, _: pl.Series) -> pl.Series | None:
        """The decoded messages; ``None`` where one reached into another."""
        return rows if rows.struct.field(self._mark).all(ignore_nulls=False) else None


class MarkedArrays:
    """Messages that are arrays, each behind an array of its kind with a mark."""

    begin = r"^[ \t\r\n]*\["
    end = r"\][ \t\r\n]*$"

    def __init__(self, document: pl.List) -> None:
        self._mark = secrets.token_hex(8)
        self.type = pl.List(self._with_mark(document))
        depth, kind = 0, pl.List(document).inner
        while isinstance(kind, pl.List):
            depth, kind = depth + 1, kind.inner
        self._prefix, begin, end = "", f'{{"{self._mark}":"', '"}'
        if kind == pl.String:
            self._prefix, begin, end = self._mark, f'"{self._mark}', '"'
        self._begin, self._end = f"[{'[' * depth}{begin}", f"{end}{']' * depth},"

    def _with_mark(self, kind: pl.Struct | pl.List) -> pl.DataType:
        """The type of a message, with room for a mark."""
        if isinstance(kind, pl.Struct):
            return pl.Struct([pl.Field(self._mark, pl.String), *kind.fields])
        inner = kind.inner
        return pl.List(self._with_mark(inner)) if isinstance(inner, pl.Struct | pl.List) else kind

    def marked(self, messages: pl.DataFrame) -> pl.Series:
        """The texts to decode, of a frame with the columns ``m`` and ``text``."""
        number = pl.col("m").cast(pl.String)
        begin, end = pl.lit(self._begin), pl.lit(self._end)
        return messages.select(pl.concat_str(begin, number, end, "text", pl.lit("]"))).to_series()

    def documents(self, rows: pl.Series, m: pl.Series) -> pl.Series | None:
        """The decoded messages; ``None`` where one reached into another."""
        if not (rows.list.len() == 2).all():
            return None
        elements = rows.explode()
        marks = elements.gather_every(2)
        while isinstance(marks.dtype, pl.List):
            marks = marks.list.first()
        if isinstance(marks.dtype, pl.Struct):
            marks = marks.struct.field(self._mark)
        if not marks.eq_missing(self._prefix + m.cast(pl.String)).all():
            return None
        return elements.gather_every(2, offset=1)
