"""Choices baked into the state machine's definition."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DefinitionSettings"]


@dataclass(frozen=True, kw_only=True)
class DefinitionSettings:
    """Choices baked into the state machine's definition."""

    execution_timeout_seconds: int = 6 * 60 * 60
    """An execution that takes longer is stopped; a backfill of a month fits."""
