"""Raw texts of the sources of columns, those included that are composed of other sources.

A part of a text, or a text made of several, is found after messages have been taken apart, in one
way for all of them, however they were read: patterns are run by the linear-time engine of polars.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from functions.transform.extraction_plan import NOT_A_VALUE, ExtractionPlan
from telemetry.contract import Column, Source
from telemetry.contract.model import TextParts

__all__ = ["SourceTexts", "where"]

BLANK = " \t\r\n"


class SourceTexts:
    """The raw texts of a run of readings; each text is taken apart once, whatever columns ask."""

    def __init__(self, plan: ExtractionPlan, frame: pl.DataFrame) -> None:
        """``frame`` has a column of raw texts per source of the plan."""
        self._plan, self._frame = plan, frame
        self._parts: dict[str, dict[str | int, pl.Series]] = {}

    def of(self, source: Source, column: Column) -> pl.Series:
        """Texts, or values that are typed already, of a source of the column."""
        if source.scope == "template":
            return self._made(source, column)
        if source.parts is not None:
            return self._part(source.parts, source.path[1])
        return self._frame[self._plan.place(source, column)]

    def first(self, sources: Sequence[Source], column: Column) -> pl.Series:
        """Texts of the first source that has one and isn't blank, without blanks around them."""
        found = _present(self.of(sources[0], column))
        for source in sources[1:]:
            found = found.zip_with(found.is_not_null(), _present(self.of(source, column)))
        return found

    def _made(self, template: Source, column: Column) -> pl.Series:
        """Texts made of several, null where one of them is absent or blank."""
        pieces: list[pl.Series | str] = []
        for piece in template.pieces:
            if isinstance(piece, str):
                pieces.append(piece)
                continue
            texts, present = self.of(piece, column), _present(self.of(piece, column))
            pieces.append(where(texts, present.is_not_null()) if column.type == "text" else present)
        frame = pl.DataFrame(
            [p.alias(str(n)) for n, p in enumerate(pieces) if not isinstance(p, str)]
        )
        parts = [pl.lit(p) if isinstance(p, str) else pl.col(str(n)) for n, p in enumerate(pieces)]
        return frame.select(pl.concat_str(parts).alias("made")).to_series()

    def _part(self, parts: TextParts, step: str | int) -> pl.Series:
        """A part of texts; where a text doesn't match the pattern, nothing that a column takes."""
        taken = self._parts.setdefault(parts.name, {})
        if step not in taken:
            whole = self._whole(parts)
            if parts.pattern is None:
                found = whole.str.split(parts.split or "").list.get(int(step), null_on_oob=True)
                unlike = whole == NOT_A_VALUE
            else:
                pattern = rf"\A(?:{parts.pattern})\z"
                found = whole.str.extract_groups(pattern).struct.field(str(step))
                unlike = ~whole.str.contains(pattern) | (whole == NOT_A_VALUE)
            taken[step] = _marked(found, unlike)
        return taken[step]

    def _whole(self, parts: TextParts) -> pl.Series:
        """The texts to take apart, null where there is none."""
        found = None
        for source in parts.sources:
            texts = self._frame[self._plan.place(source)]
            missing = texts.str.strip_chars(BLANK).is_in(list(parts.missing))
            texts = where(texts, ~missing.fill_null(value=False))
            found = texts if found is None else found.zip_with(found.is_not_null(), texts)
        assert found is not None  # noqa: S101 - there is a source at least
        return found


def where(values: pl.Series, keep: pl.Series) -> pl.Series:
    """The values where the mask is true, else null."""
    return values.zip_with(keep.fill_null(value=False), values.clear(values.len()))


def _present(texts: pl.Series) -> pl.Series:
    texts = texts.str.strip_chars(BLANK)
    return where(texts, texts != "")


def _marked(texts: pl.Series, unlike: pl.Series) -> pl.Series:
    """:data:`NOT_A_VALUE` where the mask is true."""
    mark = pl.Series([NOT_A_VALUE], dtype=pl.String).new_from_index(0, texts.len())
    return texts.zip_with(~unlike.fill_null(value=False), mark)
