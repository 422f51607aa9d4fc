"""Text from devices made safe to show: in a terminal, a log of a person, an email."""

from __future__ import annotations

__all__ = ["escape_line", "escape_text"]


def escape_text(content: str | bytes | None) -> str:
    r"""The text with each character that is not printable as an escape such as ``\x1b``.

    Bytes are decoded as UTF-8; invalid bytes appear as ``\x`` and two digits.
    """
    if content is None:
        return ""
    if isinstance(content, bytes):
        content = content.decode("utf-8", "backslashreplace")
    # Control characters, line separators and marks of the writing direction are not printable.
    return "".join(c if c.isprintable() else _escaped(c) for c in content)


def escape_line(content: str) -> str:
    """The text as one line: each run of blanks and line breaks as a blank, the rest escaped."""
    return escape_text(" ".join(content.split()))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
