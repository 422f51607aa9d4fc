"""The level of observability of a deployed pipeline, and what to say of what it doesn't record."""

from __future__ import annotations

from etl.aws.target import Target
from telemetry.metric_table import OBSERVABILITY, Level, covers, level_of
from telemetry.tracing import TRACE_SHARES

__all__ = ["SETTING", "absent_alarm", "deployed_level", "not_recorded", "untraced"]

SETTING = "operation.observability"


def deployed_level(target: Target) -> Level:
    """The level of the stack; ``full`` for one of an earlier version, which has no such output."""
    return level_of(target.outputs.get(OBSERVABILITY.title()))


def not_recorded(level: Level, needed: Level) -> str:
    """The reason for a missing value, with the setting that records it; empty if the level does."""
    if covers(level, needed):
        return ""
    return f"not recorded at level {level} ({SETTING} = {needed} records it)"


def untraced(level: Level) -> str:
    """The reason for which an execution may have no trace."""
    if level == "full":
        return "traces are kept for 30 days"
    share = f"{TRACE_SHARES[level] * 100:.0f} %"
    return (
        f"at level {level} {share} of the executions are traced, for 30 days; {SETTING} = full "
        "traces more"
    )


def absent_alarm(level: Level, name: str) -> str:
    """The level that has an alarm of this name, as a sentence; empty where this one or none has."""
    from infrastructure.core.alarms import ALARMS
    from infrastructure.core.channels import CHANNEL_ALARMS

    for spec in (*ALARMS, *CHANNEL_ALARMS):
        if spec.name == name and not covers(level, spec.level):
            return f"Level {level} has no alarm '{name}' ({SETTING} = {spec.level} has it)."
    return ""
