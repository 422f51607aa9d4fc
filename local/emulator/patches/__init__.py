"""Corrections of what MiniStack 1.5.33 does differently from AWS, one service a module.

Each patch says what AWS does, why it matters here, and when it can go; each has a test in
``tests/integration/local/emulator`` that shows AWS's behaviour against the running emulator, so a
new MiniStack that has caught up makes the patch, not the test, superfluous. A table ``RELIES_ON``
in each module names what it needs of MiniStack (:mod:`local.emulator.compatibility` checks it).
"""

from __future__ import annotations

from local.emulator.patches import (
    access,
    alarms,
    asynchronous,
    devices,
    event_source_mapping,
    executions,
    functions,
    history,
    iam,
    message_moves,
    metrics,
    persistence,
    queues,
    sampling,
    throttling,
    timeouts,
    tracing,
)

__all__ = ["apply"]


def apply() -> None:
    """Apply every patch; call once, before the emulator serves its first request."""
    devices.apply()
    queues.apply()
    message_moves.apply()
    event_source_mapping.apply()
    functions.apply()
    executions.apply()
    throttling.apply()
    history.apply()
    iam.apply()
    timeouts.apply()
    metrics.apply()
    alarms.apply()
    asynchronous.apply()
    persistence.apply()
    access.apply()
    sampling.apply()
    tracing.apply()  # last: it wraps what the others put in place
