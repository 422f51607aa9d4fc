"""Escapes texts from devices for a terminal and for a spreadsheet.

A payload may hold anything: escape sequences that recolour or rewrite the terminal, characters that
change the direction of writing, a formula that a spreadsheet would run.
"""

from __future__ import annotations

from telemetry.escaping import escape_text

__all__ = ["escape_cell", "escape_text"]

FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20|%")
"""Characters with which a formula may begin in a spreadsheet (OWASP, "CSV Injection"), in their
full-width forms, too; the last two start another program in old versions."""
CELL_CHARACTERS = 32_000
"""Longest text for a cell; a spreadsheet takes 32,767 and would spill the rest into others."""


def escape_cell(content: str | bytes | None) -> str:
    """The text for a spreadsheet's cell: escaped, never a formula, and cut to a cell's length."""
    text = escape_text(content)
    if len(text) > CELL_CHARACTERS:
        text = text[: CELL_CHARACTERS - 1] + "…"
    return f"'{text}" if text.lstrip()[:1] in FORMULA and text.strip() else text
