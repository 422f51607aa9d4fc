"""Input of the cost model: the fleet, and the configuration of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from infrastructure.names import QUEUE_BATCH_SIZE
from infrastructure.settings import DeploySettings

__all__ = ["SECONDS_A_MONTH", "Delivery", "Fleet", "Level", "Pipeline", "Trigger"]

SECONDS_A_MONTH = 730 * 3600.0
"""A twelfth of a year, as in AWS's pricing calculator."""

Trigger = Literal["queue", "schedule", "both"]
Delivery = Literal["drain", "mapping"]
Level = Literal["lean", "standard", "full"]


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The devices and the messages they send."""

    devices: int = 1_000
    rate: float = 1_000.0
    """Readings per second, over all devices."""
    readings_per_message: int = 50
    reading_bytes: float | None = None
    """Bytes of one reading in a payload; ``None``: as measured for ``contracts/fleet.toml``."""
    basic_ingest: bool = False
    connects_a_day: float = 1.0
    """Number of times that a device reconnects per day; it stays connected in between."""

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.devices < 1 or self.readings_per_message < 1:
            raise ValueError("rate, devices and readings_per_message must be greater than 0")

    @property
    def messages(self) -> float:
        """Messages per second, over all devices."""
        return self.rate / self.readings_per_message

    @property
    def readings_a_month(self) -> float:
        """Millions of readings per month."""
        return self.rate * SECONDS_A_MONTH / 1e6


def _deployed(setting: str, otherwise: Any) -> Any:
    """Default of that setting of a deployment; ``otherwise`` where it has no such setting."""
    return getattr(DeploySettings, setting, otherwise)


DELIVERY: Delivery = _deployed("queue_delivery", "mapping")
OBSERVABILITY: Level = _deployed("observability", "full")


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Configuration of the stack; the defaults are those of the template and the functions."""

    trigger: Trigger = "queue"
    delivery: Delivery = DELIVERY
    """Setting ``run.queue_delivery``: how the queue trigger delivers. ``drain``: a loop that
    empties the queue once per window. ``mapping``: one execution for each batch of the event
    source mapping. Without meaning where the trigger is ``schedule``."""
    observability: Level = OBSERVABILITY
    """Setting ``operation.observability``: metrics, alarms, dashboard, logs and traces."""
    window_seconds: float = float(DeploySettings.queue_window_seconds)
    """Template parameter ``QueueWindowSeconds``: seconds for which the queue trigger gathers."""
    trigger_batch: int = QUEUE_BATCH_SIZE
    """Largest number of messages in one batch of the queue trigger."""
    pollers: int = DeploySettings.queue_concurrency
    """Template parameter ``QueueConcurrency``: the number of batches gathered in parallel."""
    period_seconds: float = 60.0
    """Interval of the schedule: template parameter ``ScheduleExpression``."""
    drain_seconds: float = 20.0
    """``DRAIN_SECONDS``: how long Extract receives messages."""
    receivers: int = 8
    """``DRAIN_RECEIVERS``."""
    batch_messages: int = 50_000
    batch_bytes: int = 64 << 20
    """``BATCH_MESSAGES``, ``BATCH_BYTES``: the sizes at which Extract closes a micro-batch."""
    map_concurrency: int = DeploySettings.max_concurrency
    """Batches of one execution processed in parallel; template parameter ``MaxConcurrency``."""
    months_kept: int = 12
    """Months for which objects are kept in S3; the bill is that of the last of them."""
    clean: bool = True
    """Setting ``storage.clean``: the cleaned readings are kept as Parquet too."""
    channels: bool = False
    """Setting ``operation.channels``."""
    partitions: bool = False
    """The contract's table has partitions."""
    contracts: int = 1
    """Contracts of the pipeline, with equal shares of the messages: each has batches of its own."""
    database_writers: int = 2
    """Loads that PostgreSQL runs in parallel at full speed: as many as it has processors."""
