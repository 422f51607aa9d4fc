"""Regular expressions of a contract: what a linear-time engine and Python's both read alike."""

from __future__ import annotations

import re
import warnings

__all__ = ["group_names", "pattern_fault"]

_ELSEWHERE = re.compile(r"\(\?(?:[=!>(#]|<[=!]|P[=>])|\\[1-9ZGX]|\\[kgpP]")
"""Look-around, back-references and others that a linear-time engine lacks or reads differently."""


def pattern_fault(pattern: str) -> str | None:
    """Sentence that says why a contract can't have the pattern; ``None`` where it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as of nested sets, which others read otherwise
            re.compile(pattern)
    except (re.error, Warning, OverflowError, RecursionError) as error:
        return f"is not a regular expression ({error}); correct it"
    if found := _ELSEWHERE.search(pattern.replace("\\\\", "")):
        return f"has {found[0]!r}; write it without look-around, back-references and \\p"
    if not pattern:
        return "is empty; write what the whole text must match, or leave it out"
    return None


def group_names(pattern: str) -> tuple[str, ...]:
    """Names of the groups of a pattern without a fault."""
    return tuple(re.compile(pattern).groupindex)
