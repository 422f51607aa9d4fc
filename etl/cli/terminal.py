"""A console that never passes a control character of device-sent text to the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

__all__ = ["SafeConsole", "printable"]

_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that a terminal obeys (escape sequences), hides, or reorders text by."""


class SafeConsole(Console):
    """A rich console that writes such characters as their numbers.

    Names of devices, topics and members come from outside; a sequence in one could clear the
    screen, recolour a verdict, or show a line backwards.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of a renderable, with texts that are safe to print."""
        for segment in super().render(renderable, options):
            if segment.control or not _OBEYED.search(segment.text):
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


def printable(text: str) -> str:
    """The text with characters that a terminal obeys, hides or reorders by as ``\\u001b``."""
    return _OBEYED.sub(lambda match: _escaped(ord(match[0])), text)


def _escaped(character: int) -> str:
    return f"\\u{character:04x}" if character < 0x10000 else f"\\U{character:08x}"
