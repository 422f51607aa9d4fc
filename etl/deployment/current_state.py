"""Reads the current state of a pipeline's two stacks, before they are deployed or destroyed."""

from __future__ import annotations

from dataclasses import dataclass

from etl.aws.cloudformation import (
    FAILED_CREATION,
    STUCK,
    StackError,
    parameters,
    refusal,
    stack_status,
)
from etl.aws.target import Target
from etl.deployment.pipeline_settings import platform_stack

__all__ = ["CurrentState", "core_is_linked", "is_in_use", "read_current_state", "refuse_stuck"]

CORE_STACK = "CoreStack"
"""The platform's parameter with the core stack's name."""
CONTINUES = "UPDATE_ROLLBACK_FAILED"
"""The one status of a stuck stack that a deployment can recover from."""


@dataclass(frozen=True, kw_only=True)
class CurrentState:
    """Statuses of both stacks."""

    core: str
    """Name of the core stack."""
    core_status: str | None
    """``None`` where there is no such stack."""
    platform: str = ""
    """Name of the platform stack; empty where a deployment has none."""
    platform_status: str | None = None
    linked: bool = False
    """True where the platform's parameters name the core."""


def is_in_use(status: str | None) -> bool:
    """Return true where a stack of this status was created and may hold something."""
    return status not in {None, "REVIEW_IN_PROGRESS", *FAILED_CREATION}


def core_is_linked(now: CurrentState) -> bool:
    """Return true where the platform refers to a core that exists."""
    return now.linked and is_in_use(now.core_status)


def read_current_state(target: Target, *, platform: bool) -> CurrentState:
    """Ask CloudFormation for the statuses; ``platform``: of the platform stack as well."""
    formation = target.client("cloudformation")
    name = platform_stack(target.stack) if platform else ""
    status = stack_status(formation, name) if platform else None
    core = parameters(formation, name).get(CORE_STACK) if status else None
    return CurrentState(
        core=target.stack,
        core_status=stack_status(formation, target.stack),
        platform=name,
        platform_status=status,
        linked=core == target.stack,
    )


def refuse_stuck(now: CurrentState) -> None:
    """Raise ``StackError`` where an operator has to repair a stack first."""
    for stack, status in ((now.core, now.core_status), (now.platform, now.platform_status)):
        if status in STUCK and status != CONTINUES:
            raise StackError(refusal(stack, status))
