"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["CheckResult"]


@dataclass(frozen=True)
class CheckResult:
    """The result of one check, which passes if there is no problem."""

    name: str
    checked: str
    """The things that were checked, in a few words."""
    problems: list[str] = field(default_factory=list)
    """Problems, each a sentence that says how to fix it."""
    unchecked: str = ""
    """The things that could not be checked here, and the reason."""
