"""What MiniStack 1.5.33 does differently from AWS, put right in process, one concern a module.

Each patch says what AWS does, why it matters here, and when it can go; each has a test in
``tests/integration/emulator`` that shows AWS's behaviour against the running emulator, so a new
MiniStack that has caught up makes the patch, not the test, superfluous.
"""

from __future__ import annotations

from local.emulator.patches import (
    alarms,
    devices,
    executions,
    functions,
    metrics,
    queues,
    timeouts,
    tracing,
)
from local.emulator.patches import event_source_mapping as mapping
from local.emulator.patches import iam as enforcing
from local.emulator.patches import message_moves as moving

__all__ = ["apply"]


def apply() -> None:
    """Apply every patch; call once, before the emulator serves its first request."""
    devices.apply()
    queues.apply()
    moving.apply()
    mapping.apply()
    functions.apply()
    executions.apply()
    enforcing.apply()
    timeouts.apply()
    metrics.apply()
    alarms.apply()
    tracing.apply()  # last: it wraps what the others put in place
