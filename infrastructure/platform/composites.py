"""Composite alarms: one alarm to be on call for, whichever alarm below it fires.

They name the core's alarms, which must exist, so they are created in the second phase, and name
those of the core's level of observability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from troposphere import If, Ref, Sub, Template, cloudwatch

from infrastructure.core.alarm_spec import alarm_title
from infrastructure.core.alarms import ALARMS
from infrastructure.platform.alarms import PAGE, alarm_name
from infrastructure.platform.conditions import (
    HAS_CORE,
    MONITORED_DATABASE,
    OBSERVES_FULL,
    OBSERVES_STANDARD,
)
from telemetry.metric_table import LEVELS, Level, covers

__all__ = ["COMPOSITES", "CORE_ALARMS", "Composite", "add_composites", "rule"]


@dataclass(frozen=True, kw_only=True)
class Composite:
    """One composite alarm, which fires while any alarm of ``any_of`` does, and any of
    ``while_any_of`` where there are some."""

    name: str
    any_of: tuple[str, ...]
    """Names of alarms, without the stack's name."""
    while_any_of: tuple[str, ...] = ()
    meaning: str
    first: str
    """The first step to take."""
    condition: str = HAS_CORE


_MISSING = ("executions-failed", "executions-timed-out", "dead-letters", "rule-errors")
_LATE = ("queue-age", "lag", "load-slow")
_LOADING = ("load-slow", "load-errors", "executions-failed")
_DATABASE = ("database-cpu", "database-storage", "database-connections", "database-memory")

CORE_ALARMS = frozenset({*_MISSING, *_LATE, *_LOADING, "batches-need-attention"})
"""Alarms of the core stack that are named here."""

COMPOSITES: tuple[Composite, ...] = (
    Composite(
        name="rows-are-missing",
        any_of=(*_MISSING, "batches-need-attention", "failure-share"),
        meaning="Readings that devices sent are not in the table, and waiting will not bring them.",
        first="See which of its alarms is firing and read that alarm's section. Nothing is lost "
        "yet.",
    ),
    Composite(
        name="rows-are-late",
        any_of=(*_LATE, "backlog", "falling-behind"),
        meaning="Readings reach the table late.",
        first="See which of its alarms is firing and read that alarm's section.",
    ),
    Composite(
        name="database-is-the-cause",
        any_of=_LOADING,
        while_any_of=_DATABASE,
        condition=MONITORED_DATABASE,
        meaning="Loads are slow or fail while the database is short of resources.",
        first="Start with the database's alarm, not with the pipeline's.",
    ),
)


def add_composites(template: Template) -> None:
    """Add every alarm of :data:`COMPOSITES`."""
    for spec in COMPOSITES:
        template.add_resource(
            cloudwatch.CompositeAlarm(
                alarm_title(spec.name),
                Condition=spec.condition,
                DependsOn=[
                    alarm_title(name)
                    for name in (*spec.any_of, *spec.while_any_of)
                    if name not in CORE_ALARMS
                ],
                AlarmName=alarm_name(spec.name),
                AlarmDescription=f"{spec.meaning} {spec.first} See {PAGE}#{spec.name}",
                AlarmRule=_rules(spec),
                AlarmActions=[Ref("AlertTopicArn")],
                OKActions=[Ref("AlertTopicArn")],
            )
        )


def _rules(spec: Composite) -> Any:
    """The rule for the core's level of observability."""
    by_level = {level: rule(spec, level) for level in LEVELS}
    full, standard, lean = (Sub(by_level[level]) for level in ("full", "standard", "lean"))
    if len(set(by_level.values())) == 1:
        return full
    return If(OBSERVES_FULL, full, If(OBSERVES_STANDARD, standard, lean))


def rule(spec: Composite, level: Level) -> str:
    """The rule over the alarms that there are at a level; ``${CoreStack}``: the core's name."""
    absent = {core.name for core in ALARMS if not covers(level, core.level)}
    sides = [
        _any(tuple(name for name in names if name not in absent))
        for names in (spec.any_of, spec.while_any_of)
        if names
    ]
    return " AND ".join(f"({side})" for side in sides)


def _any(names: tuple[str, ...]) -> str:
    return " OR ".join(f'ALARM("${{CoreStack}}-{name}")' for name in names)
