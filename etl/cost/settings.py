"""What a cost depends on: the fleet, and how the pipeline is set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infrastructure.core.compute import QUEUE_BATCH_SIZE
from infrastructure.settings import DeploySettings

__all__ = ["SECONDS_A_MONTH", "Fleet", "Pipeline", "Trigger"]

SECONDS_A_MONTH = 730 * 3600.0
"""A twelfth of a year, as AWS's calculator has it."""

Trigger = Literal["queue", "schedule"]


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What the devices send."""

    devices: int = 1_000
    rate: float = 1_000.0
    """Readings a second, over all devices."""
    readings_per_message: int = 50
    reading_bytes: float | None = None
    """Of one reading in a payload; ``None``: as measured of ``contracts/fleet.toml``."""
    basic_ingest: bool = False
    connects_a_day: float = 1.0
    """Times a day that a device connects anew; it stays connected in between."""

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.devices < 1 or self.readings_per_message < 1:
            raise ValueError("rate, devices and readings_per_message must be above nothing")

    @property
    def messages(self) -> float:
        """A second, over all devices."""
        return self.rate / self.readings_per_message

    @property
    def readings_a_month(self) -> float:
        """In millions."""
        return self.rate * SECONDS_A_MONTH / 1e6


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """How the stack is set; defaults are the template's and the functions' own."""

    trigger: Trigger = "queue"
    window_seconds: float = float(DeploySettings.queue_window_seconds)
    """Template parameter ``QueueWindowSeconds``."""
    trigger_batch: int = QUEUE_BATCH_SIZE
    """Most messages that the queue hands over at once."""
    pollers: int = DeploySettings.queue_concurrency
    """Template parameter ``QueueConcurrency``: so many batches are gathered at once."""
    period_seconds: float = 60.0
    """Of the schedule: template parameter ``ScheduleExpression``."""
    drain_seconds: float = 20.0
    """``DRAIN_SECONDS``: how long Extract receives."""
    receivers: int = 8
    """``DRAIN_RECEIVERS``."""
    batch_messages: int = 50_000
    batch_bytes: int = 64 << 20
    """``BATCH_MESSAGES``, ``BATCH_BYTES``: when Extract closes a micro-batch."""
    map_concurrency: int = DeploySettings.max_concurrency
    """Batches of one execution in flight at once; template parameter ``MaxConcurrency``."""
    months_kept: int = 12
    """How long raw, clean and rejected objects are kept: the bill is that of the month after."""
    database_writers: int = 2
    """Loads that PostgreSQL works on at full speed at once: as many as it has processors."""
