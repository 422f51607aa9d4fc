"""What devices sent, made harmless for a terminal and for a spreadsheet.

A payload may hold anything: escapes that recolour or rewrite the terminal, characters that turn
the direction of writing, a formula that a spreadsheet would run.
"""

from __future__ import annotations

__all__ = ["cell", "harmless"]

FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20|%")
"""What a spreadsheet may take for the beginning of a formula (OWASP, "CSV Injection"), the
full-width forms included; the last two begin a call of another program in old ones."""
CELL_CHARACTERS = 32_000
"""A cell of a spreadsheet holds 32,767; the rest of a longer one would spill into others."""


def harmless(content: str | bytes | None) -> str:
    r"""The text with everything that is not plainly visible as an escape such as ``\x1b``.

    Bytes are read as UTF-8; those that aren't show as ``\x`` and two digits.
    """
    if content is None:
        return ""
    if isinstance(content, bytes):
        content = content.decode("utf-8", "backslashreplace")
    # Not printable are controls, line separators, and what changes the direction of writing.
    return "".join(c if c.isprintable() else _escaped(c) for c in content)


def cell(content: str | bytes | None) -> str:
    """The text for a cell: harmless, no formula, and no longer than a cell may be."""
    text = harmless(content)
    if len(text) > CELL_CHARACTERS:
        text = text[: CELL_CHARACTERS - 1] + "…"
    return f"'{text}" if text.lstrip()[:1] in FORMULA and text.strip() else text


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
