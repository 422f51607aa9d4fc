"""The levels of observability, for the bill: metrics, alarms, traces and logs of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from etl.cost.settings import Level

__all__ = ["LEVELS", "Counts", "counts"]

LEVELS: tuple[Level, ...] = ("lean", "standard", "full")
SOURCE = "infrastructure.core.levels"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts of one pipeline with one contract at a level, and of what options add to it."""

    metrics: int
    alarms: int
    """Alarms, without the one on silence."""
    dashboards: int
    traces_share: float
    """Share of the executions that are traced."""
    log_level: str
    """Level of the state machine's log: ``ERROR`` or ``ALL``."""
    system_log_level: str
    """Level of the lines that Lambda itself writes: ``WARN`` or ``INFO``."""
    channel_metrics: int = 1
    """Metrics that channels add. Their function runs when an alarm changes: far below a cent."""
    channel_alarms: int = 2
    maintenance_alarms: int = 1
    """Alarms that a table with partitions adds."""
    contract_alarms: int = 3
    """Alarms that a further contract adds: those of its topic rule."""


FULL = Counts(
    metrics=43,
    alarms=27,
    dashboards=1,
    traces_share=1.0,
    log_level="ALL",
    system_log_level="INFO",
)
PLANNED: dict[Level, Counts] = {
    "lean": Counts(
        metrics=8,
        alarms=10,
        dashboards=0,
        traces_share=0.05,
        log_level="ERROR",
        system_log_level="WARN",
        contract_alarms=2,
    ),
    "standard": Counts(
        metrics=18,
        alarms=17,
        dashboards=0,
        traces_share=0.2,
        log_level="ERROR",
        system_log_level="INFO",
    ),
    "full": FULL,
}


@cache
def counts(level: Level) -> Counts:
    """The counts of a level: those of the template where it has levels, else the planned ones."""
    if find_spec(SOURCE) is None:
        return PLANNED[level]
    found: Counts = import_module(SOURCE).counts(level)
    return found
