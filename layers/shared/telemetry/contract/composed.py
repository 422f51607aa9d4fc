"""The sources that a column reads, down to those within a message and its envelope."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from telemetry.contract.model import Column, Contract, Source

__all__ = [
    "all_sources",
    "composed_sources",
    "elementary",
    "sources_of",
    "spelled_sources",
    "text_sources",
]


def elementary(sources: Sequence[Source]) -> Iterator[Source]:
    """The sources themselves, and in place of composed ones those that they are made of."""
    for source in sources:
        if source.scope == "template":
            yield from elementary([piece for piece in source.pieces if isinstance(piece, Source)])
        elif source.parts is not None:
            yield from elementary(source.parts.sources)
        else:
            yield source


def sources_of(column: Column) -> tuple[Source, ...]:
    """All sources that a column reads: of its value, of what is added to it, and of its unit."""
    return tuple(elementary([*column.sources, *_beside(column)]))


def all_sources(contract: Contract) -> list[Source]:
    """The sources of all columns, one after the other."""
    return [source for column in contract.columns for source in sources_of(column)]


def spelled_sources(column: Column) -> tuple[Source, ...]:
    """Sources whose values count as they are spelled: those that texts and units are made of."""
    plus = () if column.plus is None else column.plus.every_source
    unit = () if column.unit_member is None else column.unit_member.sources
    composed = [s for s in (*column.sources, *plus) if s.scope in ("template", "part")]
    return tuple(elementary([*composed, *unit]))


def text_sources(column: Column) -> tuple[Source, ...]:
    """Sources whose values are read as texts, whatever the type of the column."""
    return (*spelled_sources(column), *elementary(list(_beside(column))))


def composed_sources(column: Column) -> Iterator[Source]:
    """The sources that a column names, and the pieces of its templates."""
    for source in (*column.sources, *_beside(column)):
        yield source
        yield from (piece for piece in source.pieces if isinstance(piece, Source))


def _beside(column: Column) -> Iterator[Source]:
    if column.plus is not None:
        yield from column.plus.every_source
    if column.unit_member is not None:
        yield from column.unit_member.sources
