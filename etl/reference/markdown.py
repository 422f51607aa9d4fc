"""Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["cell", "generated", "table"]


def cell(text: object) -> str:
    """A text that stays within its cell."""
    return " ".join(str(text).replace("|", "\\|").split())


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, with the line feed at its end."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell(each) for each in line)} |\n" for line in lines)


def generated(source: str) -> str:
    """The remark that a page must not be edited by hand."""
    return f"<!-- Written by `make reference` from {source}. -->\n"
