"""Refreshes or rebuilds the rollups through the migrate function, call by call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from etl.aws.invocation import FunctionFailedError, invoke
from etl.aws.target import Target
from etl.operations.contract_choice import named_event
from etl.operations.plurals import counted
from telemetry.errors import UserError

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

__all__ = ["RollupsError", "refresh_rollups"]

CALL_SECONDS = 20
LONGEST_CALL_SECONDS = 240
"""Longest work in one call; the function's timeout is 300 seconds."""


class RollupsError(UserError):
    """Raised when the function fails or makes no progress; the message says what to do."""


def refresh_rollups(
    target: Target, work: Literal["refresh", "rebuild"], contract: str | None = None
) -> Iterator[int]:
    """Refresh or rebuild; yields after each call how many time ranges are left, down to 0.

    A call without progress is followed by a longer one. Loads and queries are not blocked, and the
    views stay exact. Safe to interrupt and to run again. ``contract``: the name of the only one
    whose rollups are; without it, those of all contracts are.
    """
    client = target.invoking_client()
    seconds, before = CALL_SECONDS, None
    named = named_event(target, contract)
    asked: dict[str, Any] = {"rollups": work, **named}
    while True:
        left = _call(client, target.outputs["MigrateFunctionName"], asked | {"seconds": seconds})
        yield left
        if not left:
            return
        if left == before:
            if seconds >= LONGEST_CALL_SECONDS:
                raise RollupsError(
                    f"{counted(left, 'time range')} could not be refreshed: {seconds} seconds were "
                    "not enough for one of them, which has too many rows. The views "
                    "read the rows directly meanwhile. Remove metrics under [analytics], or set "
                    "rollups = []."
                )
            seconds = min(LONGEST_CALL_SECONDS, 2 * seconds)
        before, asked = left, {"rollups": "refresh", **named}


def _call(client: LambdaClient, name: str, event: dict[str, Any]) -> int:
    try:
        return int(invoke(client, name, event)["left"])
    except FunctionFailedError as error:
        raise RollupsError(str(error)) from error
