"""The progress callback of everything that takes a while: building, deploying, starting."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Notify", "silent"]

Notify = Callable[[str], None]
"""Receives one line of text for each phase of a long operation."""


def silent(_text: str) -> None:
    """Ignore the text: the default of every ``notify``."""
