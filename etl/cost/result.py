"""The result of a simulated run."""

from __future__ import annotations

from dataclasses import dataclass, field

from etl.cost.quotas import quota
from etl.cost.settings import Fleet, Pipeline

__all__ = ["KEEPING_UP", "SimulationResult"]

KEEPING_UP = 0.97
"""Share of the messages of the second half that must be loaded by its end."""


@dataclass
class SimulationResult:
    """Figures of one simulated run."""

    fleet: Fleet
    pipeline: Pipeline
    seconds: float
    """Simulated time."""
    loaded_share: float = 0.0
    """Messages loaded in the second half, as a share of those that arrived in it."""
    backlog: float = 0.0
    """Messages in the queue at the end."""
    lags: list[float] = field(default_factory=list)
    """Seconds from the arrival of a batch's oldest message to its rows, batch by batch."""
    concurrency: int = 0
    """Peak of concurrent function calls, including those that had to wait."""
    connections: int = 0
    """Peak of concurrent Loads: each has a connection of its own."""
    in_flight: float = 0.0
    """Peak of messages received and not yet deleted."""
    starts: float = 0.0
    """Executions started per second."""
    transitions: float = 0.0
    """Standard state transitions per second."""
    trigger_busy: float = 0.0
    """Share of the time in which pollers staged batches, or in which drains were running."""
    database_busy: float = 0.0
    """Share of the time in which the database's writers were busy."""

    @property
    def by_mapping(self) -> bool:
        """True if the queue's event source mapping starts the executions."""
        return self.pipeline.trigger != "schedule" and self.pipeline.delivery == "mapping"

    @property
    def keeps_up(self) -> bool:
        """True if rows are loaded as fast as messages arrive."""
        return self.loaded_share >= KEEPING_UP

    @property
    def lag(self) -> float:
        """Median of the lags in seconds; infinite where nothing was loaded."""
        ordered = sorted(self.lags)
        return ordered[len(ordered) // 2] if ordered else float("inf")

    def quotas(self) -> dict[str, float]:
        """Share of each AWS quota that is used (1: reached)."""
        used = {
            "iot_publish": self.fleet.messages,
            "iot_connection": self.fleet.messages / self.fleet.devices,
            "sqs_in_flight": self.in_flight,
            "lambda_concurrency": self.concurrency,
            "trigger_concurrency": self.pipeline.pollers * self.by_mapping,
            "states_start": self.starts,
            "states_transitions": self.transitions,
        }
        return {key: amount / quota(key).limit for key, amount in used.items()}
