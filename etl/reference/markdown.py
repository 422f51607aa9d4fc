"""Markdown tables, and the remark of generated pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["cell", "generated", "table"]


def cell(text: object) -> str:
    """The text escaped for a table cell, on one line."""
    return " ".join(str(text).replace("|", "\\|").split())


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: bool = False) -> str:
    """A table that ends with a line feed; ``numbers`` aligns all columns but the first right."""
    rule = ["---", *["---:" if numbers else "---"] * (len(heads) - 1)]
    lines = [heads, rule, *rows]
    return "".join(f"| {' | '.join(cell(each) for each in line)} |\n" for line in lines)


def generated(source: str) -> str:
    """The remark that a page must not be edited by hand."""
    return f"<!-- Written by `make reference` from {source}: do not edit. -->\n"
