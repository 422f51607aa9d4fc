"""Callbacks by which a deployment or a teardown reports its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from etl.aws.stack_events import StackEvent
from etl.deployment.steps import Step
from layers.notify import Notify, silent

__all__ = ["Listener"]


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Receives the progress; each part may be left out."""

    notify: Notify = silent
    """A line of text for each phase."""
    step: Callable[[Step], None] = lambda _: None
    """Each step as it begins."""
    event: Callable[[StackEvent], None] = lambda _: None
    """Each event of a stack."""
    sent: Callable[[int], None] = lambda _: None
    """Numbers of bytes uploaded."""
