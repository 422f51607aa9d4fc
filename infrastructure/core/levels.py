"""Levels of observability: which metrics, alarms, traces and logs a pipeline has, and their number.

The setting ``operation.observability`` chooses one of ``telemetry.metric_table.LEVELS``. It is a
parameter of the template, whose conditions leave out what the level doesn't have. The functions
read it from their environment (:mod:`telemetry.metrics`).

:func:`counts` says what a level has, for the prices of ``etl.cost`` and for the docs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from infrastructure.core.alarm_spec import AlarmSpec
from infrastructure.core.alarms import ALARMS
from infrastructure.core.channels import CHANNEL_ALARMS
from infrastructure.core.iot_alarms import of_the_rule
from infrastructure.core.maintenance import MAINTENANCE_ALARM
from infrastructure.core.observability import LOG_LEVELS, SYSTEM_LOG_LEVELS
from telemetry.metric_table import Level, covers, series
from telemetry.tracing import TRACE_SHARES

__all__ = ["Counts", "counts"]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts of one pipeline with one contract at a level, and of what options add to it."""

    metrics: int
    """Custom metrics, at most; without channels."""
    alarms: int
    """Alarms, without the one on silence (setting ``alarms.no_data_minutes``)."""
    dashboards: int
    traces_share: float
    """Share of the executions that are traced. 1.0 stands for X-Ray's default rule: the first
    request of each second and 5 % of the others."""
    log_level: str
    """Level of the state machine's log: ``ERROR`` or ``ALL``."""
    system_log_level: str
    """Level of the lines that Lambda itself writes: ``WARN`` or ``INFO``."""
    channel_metrics: int
    """Metrics that ``operation.channels`` adds."""
    channel_alarms: int
    maintenance_alarms: int
    """Alarms that a table with partitions adds."""
    contract_alarms: int
    """Alarms that each contract after the first one adds."""


def counts(level: Level) -> Counts:
    """The counts of a level."""
    return Counts(
        metrics=series(level=level),
        alarms=_covered(level, (spec for spec in ALARMS if not spec.is_optional)),
        dashboards=int(level == "full"),
        traces_share=TRACE_SHARES[level],
        log_level=LOG_LEVELS[level],
        system_log_level=SYSTEM_LOG_LEVELS[level],
        channel_metrics=series(channels=True, level=level) - series(level=level),
        channel_alarms=_covered(level, CHANNEL_ALARMS),
        maintenance_alarms=_covered(level, (MAINTENANCE_ALARM,)),
        contract_alarms=_covered(level, of_the_rule()),
    )


def _covered(level: Level, specs: Iterable[AlarmSpec]) -> int:
    return sum(covers(level, spec.level) for spec in specs)
