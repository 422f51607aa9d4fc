"""Has the migrate function refresh or rebuild rollups, call by call, until nothing is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

from etl.aws.target import Target
from telemetry.errors import UserError

__all__ = ["RollupsError", "refreshed"]

CALL_SECONDS = 20
LONGEST_CALL_SECONDS = 240
"""The function lives for 300."""


class RollupsError(UserError):
    """Raised when the function failed or gets nowhere; says why and what to do."""


def refreshed(target: Target, work: Literal["refresh", "rebuild"]) -> Iterator[int]:
    """Yields how many marks are left after each call, down to 0.

    A call that did not get anywhere is followed by a longer one. Loads and readers are not kept
    waiting; views are exact all the while. May be broken off, and repeated.
    """
    client = _patient(target)
    seconds, before = CALL_SECONDS, None
    asked: dict[str, Any] = {"rollups": work}
    while True:
        left = _call(client, target.outputs["MigrateFunctionName"], asked | {"seconds": seconds})
        yield left
        if not left:
            return
        if left == before:
            if seconds >= LONGEST_CALL_SECONDS:
                raise RollupsError(
                    f"{left:,} marks are left, and {seconds} seconds were not enough for one of "
                    "them: the rows of one span of time are too many for the function. Views are "
                    "read from the rows meanwhile. Drop metrics under [analytics], or write "
                    "rollups = []."
                )
            seconds = min(LONGEST_CALL_SECONDS, 2 * seconds)
        before, asked = left, {"rollups": "refresh"}


def _patient(target: Target) -> Any:
    """A client that waits for as long as the function may take, and asks once."""
    from botocore.config import Config

    config = Config(read_timeout=LONGEST_CALL_SECONDS + 70, retries={"total_max_attempts": 1})
    endpoint = target.client("lambda").meta.endpoint_url
    return target.session.client("lambda", endpoint_url=endpoint, config=config)


def _call(client: Any, name: str, event: dict[str, Any]) -> int:
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    result = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError"):
        raise RollupsError(
            f"{name} failed with {result.get('errorType')}: {result.get('errorMessage')}"
        )
    return int(result["left"])
