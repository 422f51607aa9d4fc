"""Every metric that the functions emit: the one list for code, alarms, dashboard and docs.

Each has the dimension ``Pipeline`` (the stack's name), so that several pipelines of one account
stay apart, and at most one more, whose values are listed here. CloudWatch bills each combination of
name and dimensions as a metric of its own (:func:`series`), so what a device or a contract chooses
(device ids, column names, batch ids) is never a dimension: it is in the log line that carries the
metric, where CloudWatch Logs Insights finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = [
    "LEVELS",
    "METRICS",
    "NAMESPACE",
    "OBSERVABILITY",
    "OTHER",
    "PIPELINE",
    "REASONS",
    "STAGES",
    "Level",
    "Metric",
    "Statistic",
    "Unit",
    "covers",
    "level_of",
    "reason_kind",
    "series",
]

Level = Literal["lean", "standard", "full"]
"""Levels of observability, each with all that the one before it has."""
LEVELS: tuple[Level, ...] = get_args(Level)

Unit = Literal["Count", "Seconds", "Percent"]
"""Units in CloudWatch's spelling."""
Statistic = Literal["Sum", "Average", "Maximum", "p50"]

NAMESPACE = "TelemetryETL"
PIPELINE = "Pipeline"
"""Dimension of every metric: the stack."""
OBSERVABILITY = "OBSERVABILITY"
"""Environment variable with the level; also, capitalized, the template's parameter and output."""
OTHER = "other"

STAGES = ("extract", "stage", "transform", "validate", "load")
"""Functions that process a micro-batch; ``AWS/Lambda`` has the duration of the others."""

REASONS = (
    "missing", "invalid", "out_of_range", "too_long", "too_old", "in_future", "not_json",
    "not_utf8", "not_gzip", "too_large", "not_an_object", "not_an_array", "unreadable_batch",
    "unreadable", OTHER,
)  # fmt: skip
"""Kinds of reject: a reason up to its colon. The column behind it is in ledger and log."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One declared metric."""

    name: str
    unit: Unit
    statistic: Statistic
    """Statistic to look at first."""
    emitted_by: tuple[str, ...]
    """Functions that emit it."""
    meaning: str
    dimension: str | None = None
    """Dimension beside ``Pipeline``."""
    values: tuple[str, ...] = ()
    """All values of this dimension."""
    level: Level = "full"
    """Lowest level at which CloudWatch has it; below, its values are in the log alone."""


def level_of(text: str | None) -> Level:
    """The level of this name; ``full`` for none, and for one that is not known."""
    return next((level for level in LEVELS if level == text), "full")


def covers(level: Level, needed: Level) -> bool:
    """True where ``level`` has what begins at the level ``needed``."""
    return LEVELS.index(needed) <= LEVELS.index(level)


def reason_kind(reason: str) -> str:
    """Kind of a reason: ``missing:ts`` is ``missing``, an undeclared one is ``other``."""
    kind = reason.partition(":")[0]
    return kind if kind in REASONS else OTHER


def series(*, channels: bool = False, level: Level = "full") -> int:
    """Metrics that CloudWatch bills for one pipeline, at most; ``channels``: with channels."""
    return sum(
        max(1, len(metric.values))
        for metric in METRICS.values()
        if covers(level, metric.level) and (channels or metric.emitted_by != ("notify",))
    )


def _count(name: str, by: str, meaning: str, level: Level = "full") -> Metric:
    return Metric(
        name=name,
        unit="Count",
        statistic="Sum",
        emitted_by=tuple(by.split()),
        meaning=meaning,
        level=level,
    )


_ALL = (
    _count("MessagesStaged", "extract stage", "Messages that were written to S3.", "lean"),
    _count("BatchesStaged", "extract stage", "Micro-batches that these messages became."),
    _count(
        "MessagesNotDeleted",
        "extract stage",
        "Staged messages that stay in the queue and are delivered again, which changes nothing.",
    ),
    Metric(
        name="QueueSeconds",
        unit="Seconds",
        statistic="Maximum",
        emitted_by=("extract", "stage"),
        meaning="Time that the oldest of the staged messages had waited in the queue.",
    ),
    _count(
        "MessagesUnreadable",
        "transform",
        "Messages on which the pipeline's own code raised an error, kept as rejects.",
        "standard",
    ),
    _count(
        "ReadingsRead", "load", "Readings in the batches that the ledger has settled.", "standard"
    ),
    _count("ReadingsInserted", "load", "Readings that became a new row.", "lean"),
    _count("ReadingsUpdated", "load", "Readings that changed a row.", "standard"),
    _count(
        "ReadingsUnchanged",
        "load",
        "Readings that equal the existing row of their key.",
        "standard",
    ),
    _count(
        "ReadingsDuplicate", "load", "Readings that equal another one of their batch.", "standard"
    ),
    _count(
        "ReadingsConflicting",
        "load",
        "Readings that lost against another one of their key, with other values; they are kept.",
        "standard",
    ),
    _count("ReadingsRejected", "load", "Readings kept as rejects, with a reason.", "lean"),
    _count("ReadingsSetAside", "load", "Messages of another kind than those with readings."),
    Metric(
        name="ReadingsRejectedByReason",
        unit="Count",
        statistic="Sum",
        emitted_by=("load",),
        meaning="Rejected readings by the kind of their first reason.",
        dimension="Reason",
        values=REASONS,
    ),
    _count(
        "RollupRefreshesFailed",
        "load",
        "Refreshes of the rollups that failed: views stay exact and become slower.",
        "standard",
    ),
    Metric(
        name="RejectShare",
        unit="Percent",
        statistic="Average",
        emitted_by=("load",),
        meaning="Rejected readings of a batch, of those read.",
        level="lean",
    ),
    Metric(
        name="LagMedianSeconds",
        unit="Seconds",
        statistic="p50",
        emitted_by=("load",),
        meaning=(
            "Time from the reading's own time (the device's clock) to its row: the median reading "
            "of a batch. Replays and tables without a time are left out."
        ),
        level="standard",
    ),
    Metric(
        name="LagMaxSeconds",
        unit="Seconds",
        statistic="Maximum",
        emitted_by=("load",),
        meaning="As LagMedianSeconds, for the oldest reading of a batch.",
    ),
    Metric(
        name="ArrivalToRowSeconds",
        unit="Seconds",
        statistic="p50",
        emitted_by=("load",),
        meaning=(
            "From the arrival of a batch's first message at AWS IoT to its rows. No device's clock "
            "is in it. Replays are left out."
        ),
        level="lean",
    ),
    Metric(
        name="NewestArrivalToRowSeconds",
        unit="Seconds",
        statistic="p50",
        emitted_by=("load",),
        meaning=(
            "As ArrivalToRowSeconds, for the last message of a batch with an accepted reading: "
            "what is left without the waiting for a batch to fill."
        ),
    ),
    Metric(
        name="StageSeconds",
        unit="Seconds",
        statistic="p50",
        emitted_by=STAGES,
        meaning="Time that a stage took for a batch (Extract: for one drain).",
        dimension="Stage",
        values=STAGES,
    ),
    _count(
        "BatchesLoaded", "summarize", "Batches of ended executions that were loaded.", "standard"
    ),
    _count(
        "BatchesFailed", "summarize", "Batches that failed; the sweep retries most of them.", "lean"
    ),
    _count(
        "BatchesQuarantined", "summarize", "Batches that the contract's checks quarantined.", "lean"
    ),
    _count(
        "BatchesSwept",
        "sweep",
        "Stranded batches over which a sweep started an execution.",
        "standard",
    ),
    Metric(
        name="BatchesNeedAttention",
        unit="Count",
        statistic="Maximum",
        emitted_by=("sweep",),
        meaning="Batches that need attention, as the last sweep found them.",
        level="lean",
    ),
    _count(
        "NotificationsFailed",
        "notify",
        "Notifications that a channel did not take; only with channels.",
        "lean",
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
