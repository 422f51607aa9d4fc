"""How a check went."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """One check: it passes where there is no problem."""

    name: str
    found: str
    """What was looked at, in a few words."""
    problems: list[str] = field(default_factory=list)
    """Each a sentence that says what to do."""
    unchecked: str = ""
    """What could not be looked at here, and why."""
