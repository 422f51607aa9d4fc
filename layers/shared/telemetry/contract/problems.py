"""Problems of a contract, as the reader and the rules report them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Problem"]


class Problem(NamedTuple):
    """One thing wrong with a contract."""

    key: str
    """Dotted path of the entry in the file, such as ``columns.ts.type``."""
    sentence: str
    """The problem, and what to write instead."""
