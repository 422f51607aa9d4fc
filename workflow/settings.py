"""Choices baked into the state machine's definition."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["DefinitionSettings"]


@dataclass(frozen=True, kw_only=True)
class DefinitionSettings:
    """Choices baked into the state machine's definition."""

    execution_timeout_seconds: int = field(
        default=6 * 60 * 60,
        metadata={
            "key": "run.execution_timeout_seconds",
            "text": "Seconds after which an execution is stopped; the default is enough to "
            "backfill a month.",
            "least": 1,
        },
    )
