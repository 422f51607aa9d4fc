"""What is wrong with a contract, as the reader and the rules tell it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Problem"]


class Problem(NamedTuple):
    """One thing wrong with a contract."""

    key: str
    """Dotted path of the entry in the file, such as ``columns.ts.type``."""
    sentence: str
    """What is wrong and what to do about it."""
