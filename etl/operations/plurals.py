"""A number with its noun, so that the two agree."""

from __future__ import annotations

__all__ = ["counted", "plural"]


def plural(number: int, noun: str) -> str:
    """``message`` for 1, ``messages`` for any other number."""
    if number == 1:
        return noun
    return f"{noun}es" if noun.endswith("ch") else f"{noun}s"


def counted(number: int, noun: str) -> str:
    """``1 message``, ``2,000 messages``, ``3 micro-batches``."""
    return f"{number:,} {plural(number, noun)}"
