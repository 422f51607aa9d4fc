"""What a simulated run showed."""

from __future__ import annotations

from dataclasses import dataclass, field

from etl.cost.quotas import quota
from etl.cost.settings import Fleet, Pipeline

__all__ = ["KEEPING_UP", "Outcome"]

KEEPING_UP = 0.97
"""Share of what came in the second half that must have been loaded in it."""


@dataclass
class Outcome:
    """What was seen."""

    fleet: Fleet
    pipeline: Pipeline
    seconds: float
    """Simulated."""
    loaded_share: float = 0.0
    """Of the messages that came in the second half, how many were loaded in it."""
    backlog: float = 0.0
    """Messages in the queue at the end."""
    lags: list[float] = field(default_factory=list)
    """Seconds from a batch's oldest message to its rows."""
    concurrency: int = 0
    """Most function calls at once, those that had to wait included."""
    connections: int = 0
    """Most Loads at once: each has a connection of its own."""
    in_flight: float = 0.0
    """Most messages received and not deleted."""
    starts: float = 0.0
    """Executions a second."""
    transitions: float = 0.0
    """Standard, a second."""
    trigger_busy: float = 0.0
    """Share of the time that pollers worked rather than gathered, or that drains were under way."""
    database_busy: float = 0.0
    """Share of the writers' time."""

    @property
    def keeps_up(self) -> bool:
        """Whether the rows come as fast as the messages."""
        return self.loaded_share >= KEEPING_UP

    @property
    def lag(self) -> float:
        """Median of the lags; infinite where nothing was loaded."""
        ordered = sorted(self.lags)
        return ordered[len(ordered) // 2] if ordered else float("inf")

    def quotas(self) -> dict[str, float]:
        """Share of each of AWS's quotas that is used (1: met)."""
        used = {
            "iot_publish": self.fleet.messages,
            "iot_connection": self.fleet.messages / self.fleet.devices,
            "sqs_in_flight": self.in_flight,
            "lambda_concurrency": self.concurrency,
            "trigger_concurrency": self.pipeline.pollers * (self.pipeline.trigger == "queue"),
            "states_start": self.starts,
            "states_transitions": self.transitions,
        }
        return {key: amount / quota(key).most for key, amount in used.items()}
